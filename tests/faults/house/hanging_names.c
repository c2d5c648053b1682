/* A name server that never answers: look-ups of names that end in .hangs last for ever (LD_PRELOAD). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *wanted, struct addrinfo **found) {
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    size_t length = name ? strlen(name) : 0;
    while (length > 6 && strcmp(name + length - 6, ".hangs") == 0) sleep(3600);
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, wanted, found);
}
