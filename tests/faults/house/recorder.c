/* Writes down what a program does to the files below a folder, in order, so that it can be played again up to
 * any point: preloaded (LD_PRELOAD) into the program, told by RECORD (the list to write) and RECORD_BELOW.
 *
 * C path inode      a file is made            T inode length     it is cut or grown
 * W inode at hex    bytes are written         S inode            the file is synced
 * D path            a folder is synced        R old|new          a name is moved
 * U path            a name is removed         M path             a folder is made      X path  and removed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int list = -1;
static const char *below;
static size_t below_length;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define LOCK() pthread_mutex_lock(&turn)
#define UNLOCK() pthread_mutex_unlock(&turn)

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORD");
    below = getenv("RECORD_BELOW");
    if (path && below) {
        below_length = strlen(below);
        list = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
}

static int ours(const char *path) { return list >= 0 && strncmp(path, below, below_length) == 0; }

/* The path that a descriptor was opened by; empty where it is not one of ours. */
static const char *path_of(int fd, char *into) {
    char link[64];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = list < 0 ? 0 : readlink(link, into, PATH_MAX - 1);
    into[length < 0 ? 0 : length] = 0;
    errno = saved;
    return ours(into) ? into : "";
}

static void absolute(int folder, const char *path, char *into) {
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) base[0] = 0;
        } else {
            path_of(folder, base);
        }
    }
    snprintf(into, PATH_MAX, base[0] ? "%s/%s" : "%s%s", base, path);
}

static void put(const char *line, size_t length) {
    int saved = errno;
    while (length > 0) {
        ssize_t gone = syscall(SYS_write, list, line, length);
        if (gone <= 0) abort();
        line += gone;
        length -= (size_t)gone;
    }
    errno = saved;
}

static void tell(const char *format, ...) {
    char line[2 * PATH_MAX + 64];
    va_list given;
    va_start(given, format);
    int length = vsnprintf(line, sizeof line, format, given);
    va_end(given);
    put(line, (size_t)length);
}

static unsigned long long inode_of(int fd) {
    struct stat found;
    int saved = errno;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) found.st_ino = 0;
    errno = saved;
    return (unsigned long long)found.st_ino;
}

static void written(int fd, off_t at, const unsigned char *bytes, size_t length) {
    char path[PATH_MAX];
    unsigned long long inode;
    if (!*path_of(fd, path) || !(inode = inode_of(fd))) return;
    char *line = malloc(2 * length + 64);
    if (!line) abort();
    int used = sprintf(line, "W %llu %lld ", inode, (long long)at);
    for (size_t i = 0; i < length; i++) used += sprintf(line + used, "%02x", bytes[i]);
    line[used++] = '\n';
    put(line, (size_t)used);
    free(line);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    struct stat found;
    absolute(folder, path, full);
    LOCK();
    int watch = ours(full);
    int was = watch ? lstat(full, &found) == 0 : 1;
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (watch && fd >= 0 && inode_of(fd)) {
        if (!was)
            tell("C %s %llu\n", full, inode_of(fd));
        else if (flags & O_TRUNC)
            tell("T %llu 0\n", inode_of(fd));
    }
    UNLOCK();
    return fd;
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        va_list given; va_start(given, flags); mode_t mode = va_arg(given, mode_t); va_end(given); \
        return opened(AT_FDCWD, path, flags, mode); }
#define OPENING_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list given; va_start(given, flags); mode_t mode = va_arg(given, mode_t); va_end(given); \
        return opened(folder, path, flags, mode); }
OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    LOCK();
    ssize_t gone = real(fd, bytes, length);
    if (gone > 0 && list >= 0) {
        int saved = errno;
        off_t end = lseek(fd, 0, SEEK_CUR);
        errno = saved;
        if (end >= gone) written(fd, end - gone, bytes, (size_t)gone);
    }
    UNLOCK();
    return gone;
}

#define WRITING_AT(name, offset) \
    ssize_t name(int fd, const void *bytes, size_t length, offset at) { \
        REAL(name); \
        LOCK(); \
        ssize_t gone = real(fd, bytes, length, at); \
        if (gone > 0) written(fd, at, bytes, (size_t)gone); \
        UNLOCK(); \
        return gone; }
WRITING_AT(pwrite, off_t)
WRITING_AT(pwrite64, off64_t)

static void copied(int fd, off_t at, ssize_t length) {
    char link[64];
    unsigned char *bytes = malloc((size_t)length);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (!bytes || again < 0 || syscall(SYS_pread64, again, bytes, length, at) != length) abort();
    syscall(SYS_close, again);
    written(fd, at, bytes, (size_t)length);
    free(bytes);
}

#define SENDING(name, offset) \
    ssize_t name(int to, int from, offset *at, size_t length) { \
        REAL(name); \
        char path[PATH_MAX]; \
        LOCK(); \
        ssize_t gone = real(to, from, at, length); \
        if (gone > 0 && *path_of(to, path) && inode_of(to)) \
            copied(to, lseek(to, 0, SEEK_CUR) - gone, gone); \
        UNLOCK(); \
        return gone; }
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile64(int, int, off64_t *, size_t);
SENDING(sendfile, off_t)
SENDING(sendfile64, off64_t)

#define CUTTING(name, offset) \
    int name(int fd, offset length) { \
        REAL(name); \
        char path[PATH_MAX]; \
        LOCK(); \
        int done = real(fd, length); \
        if (done == 0 && *path_of(fd, path)) tell("T %llu %lld\n", inode_of(fd), (long long)length); \
        UNLOCK(); \
        return done; }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

#define SYNCING(name) \
    int name(int fd) { \
        REAL(name); \
        char path[PATH_MAX]; \
        LOCK(); \
        int done = real(fd); \
        if (done == 0 && *path_of(fd, path)) { \
            if (inode_of(fd)) tell("S %llu\n", inode_of(fd)); else tell("D %s\n", path); } \
        UNLOCK(); \
        return done; }
SYNCING(fsync)
SYNCING(fdatasync)

static int moved(int from, const char *old, int to, const char *new) {
    char before[PATH_MAX], after[PATH_MAX];
    absolute(from, old, before);
    absolute(to, new, after);
    LOCK();
    int done = (int)syscall(SYS_renameat2, from, old, to, new, 0);
    if (done == 0 && (ours(before) || ours(after))) tell("R %s|%s\n", before, after);
    UNLOCK();
    return done;
}
int rename(const char *old, const char *new) { return moved(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int from, const char *old, int to, const char *new) { return moved(from, old, to, new); }

static int removed(int folder, const char *path, int flags) {
    char full[PATH_MAX];
    absolute(folder, path, full);
    LOCK();
    int done = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (done == 0 && ours(full)) tell("%c %s\n", flags & AT_REMOVEDIR ? 'X' : 'U', full);
    UNLOCK();
    return done;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return removed(folder, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char full[PATH_MAX];
    absolute(folder, path, full);
    LOCK();
    int done = (int)syscall(SYS_mkdirat, folder, path, mode);
    if (done == 0 && ours(full)) tell("M %s\n", full);
    UNLOCK();
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
