/* A master on libmodbus: every function, once, on the bench of the tests.
 *
 * usage: libmodbus_client tcp HOST PORT | rtu DEVICE
 * Prints a line for each call: its name, then what it returned or the error's name.
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 20, WRITTEN = 23, NEVER_SEEN = 21, SLOW = 22, NOBODY = 99 };

static modbus_t *ctx;
static uint16_t registers[MODBUS_MAX_READ_REGISTERS + 1];
static uint8_t bits[MODBUS_MAX_READ_BITS + 1];

static const char *name_of(int error)
{
    switch (error) {
    case EMBXILFUN: return "ILLEGAL FUNCTION";
    case EMBXILADD: return "ILLEGAL ADDRESS";
    case EMBXILVAL: return "ILLEGAL VALUE";
    case EMBXSFAIL: return "DEVICE FAILURE";
    case EMBXACK: return "ACKNOWLEDGE";
    case EMBXSBUSY: return "BUSY";
    case EMBXGTAR: return "NO RESPONSE";
    default: return modbus_strerror(error);
    }
}

static void tell(const char *what, int result)
{
    if (result < 0)
        printf("%s: %s\n", what, name_of(errno));
    else
        printf("%s: %d\n", what, result);
}

static void tell_registers(const char *what, int count)
{
    if (count < 0) {
        tell(what, count);
        return;
    }
    printf("%s:", what);
    for (int n = 0; n < count; n++)
        printf(" %d", registers[n]);
    printf("\n");
}

static void tell_bits(const char *what, int count)
{
    if (count < 0) {
        tell(what, count);
        return;
    }
    printf("%s: ", what);
    for (int n = 0; n < count; n++)
        printf("%d", bits[n]);
    printf("\n");
}

static void all_functions(void)
{
    uint16_t many[MODBUS_MAX_WRITE_REGISTERS];
    uint8_t coils[16] = {1, 0, 1, 1, 0, 0, 1, 1, 1, 0};

    modbus_set_slave(ctx, UNIT);
    tell_bits("read_bits", modbus_read_bits(ctx, 0, 10, bits));
    tell_bits("read_input_bits", modbus_read_input_bits(ctx, 0, 10, bits));
    tell("read_input_bits 2000", modbus_read_input_bits(ctx, 0, 2000, bits));
    tell_registers("read_registers 125", modbus_read_registers(ctx, 0x4000, 125, registers));
    tell_registers("read_input_registers", modbus_read_input_registers(ctx, 0x4000, 3, registers));

    modbus_set_slave(ctx, WRITTEN);
    tell("write_bit", modbus_write_bit(ctx, 0x10, 1));
    tell("write_register", modbus_write_register(ctx, 0x5020, 321));
    tell_registers("read back", modbus_read_registers(ctx, 0x5020, 1, registers));
    tell("write_bits", modbus_write_bits(ctx, 0x30, 10, coils));
    tell_bits("bits back", modbus_read_bits(ctx, 0x30, 10, bits));
    for (int n = 0; n < MODBUS_MAX_WRITE_REGISTERS; n++)
        many[n] = 700 + n;
    tell("write_registers 123", modbus_write_registers(ctx, 0x5040, MODBUS_MAX_WRITE_REGISTERS, many));
    tell("read 123", modbus_read_registers(ctx, 0x5040, MODBUS_MAX_WRITE_REGISTERS, registers));
    tell("the same", memcmp(many, registers, sizeof many) == 0);
    tell("write_register 0x12", modbus_write_register(ctx, 0x50F0, 0x12));
    tell("mask_write_register", modbus_mask_write_register(ctx, 0x50F0, 0xF2, 0x25));
    tell_registers("masked", modbus_read_registers(ctx, 0x50F0, 1, registers));
    tell_registers("write_and_read_registers",
                   modbus_write_and_read_registers(ctx, 0x50F1, 2, many, 0x50F1, 2, registers));
}

static void all_exceptions(int has_no_crc)
{
    uint8_t id[MODBUS_MAX_PDU_LENGTH];

    modbus_set_slave(ctx, UNIT);
    tell("unknown register", modbus_read_registers(ctx, 0x4800, 1, registers));
    tell("unknown coil", modbus_read_bits(ctx, 2000, 1, bits));
    tell("report_slave_id", modbus_report_slave_id(ctx, sizeof id, id));
    tell("read-only register", modbus_write_register(ctx, 0x6010, 1));
    tell("read-only coil", modbus_write_bit(ctx, 1968, 1));
    tell("out of range", modbus_write_register(ctx, 0x5020, 60001));
    modbus_set_slave(ctx, WRITTEN);
    tell("refused", modbus_write_register(ctx, 0x6012, 1));
    tell("busy", modbus_write_register(ctx, 0x6013, 1));
    tell("lost", modbus_write_register(ctx, 0x6014, 1));
    modbus_set_slave(ctx, SLOW);
    tell("slow", modbus_write_register(ctx, 0x5000, 1));
    modbus_set_slave(ctx, NEVER_SEEN);
    tell("never seen", modbus_read_registers(ctx, 0x4000, 1, registers));
    if (has_no_crc) { /* on a line nobody answers for others */
        modbus_set_slave(ctx, NOBODY);
        tell("nobody", modbus_read_registers(ctx, 0x4000, 1, registers));
    }
}

int main(int argc, char **argv)
{
    int tcp = argc == 4 && strcmp(argv[1], "tcp") == 0;

    if (tcp)
        ctx = modbus_new_tcp(argv[2], atoi(argv[3]));
    else if (argc == 3 && strcmp(argv[1], "rtu") == 0)
        ctx = modbus_new_rtu(argv[2], 115200, 'N', 8, 1);
    else
        return 2;
    if (ctx == NULL || modbus_connect(ctx) < 0) {
        fprintf(stderr, "cannot connect: %s\n", modbus_strerror(errno));
        return 1;
    }
    modbus_set_response_timeout(ctx, 20, 0);
    all_functions();
    all_exceptions(tcp);
    modbus_close(ctx);
    modbus_free(ctx);
    return 0;
}
