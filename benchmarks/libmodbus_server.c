/* libmodbus as its documentation has it: one process, select over all connections, a thousand registers.
 *
 * usage: libmodbus_server FIRST COUNT. Prints its port.
 */
#include <arpa/inet.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0), highest = listening, on = 1;
    fd_set all, ready;

    if (argc != 3)
        return 2;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    modbus_mapping_t *mapping =
        modbus_mapping_new_start_address(0, 0, 0, 0, atoi(argv[1]), atoi(argv[2]), 0, 0);
    if (ctx == NULL || mapping == NULL || listening < 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, 128) < 0 ||
        getsockname(listening, (struct sockaddr *)&address, &size) < 0) {
        perror("libmodbus_server");
        return 1;
    }
    for (int n = 0; n < mapping->nb_registers; n++)
        mapping->tab_registers[n] = n;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    FD_ZERO(&all);
    FD_SET(listening, &all);
    for (;;) {
        ready = all;
        if (select(highest + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        for (int fd = 0; fd <= highest; fd++) {
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            int length;

            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listening) {
                int accepted = accept(listening, NULL, NULL);
                if (accepted >= 0) {
                    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    FD_SET(accepted, &all);
                    highest = accepted > highest ? accepted : highest;
                }
                continue;
            }
            modbus_set_socket(ctx, fd);
            length = modbus_receive(ctx, query);
            if (length > 0)
                modbus_reply(ctx, query, length, mapping);
            else if (length < 0) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}
