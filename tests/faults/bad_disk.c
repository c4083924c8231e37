/* A disk that misbehaves below one directory, for a process that is started with LD_PRELOAD.

   BAD_DISK is the directory, BAD_DISK_MODE a file of two bytes. The first says how the disk is just now:
   'r' read-only (EROFS for whatever would change it), 's' five seconds for every fsync, else well.
   The second counts the slow fsyncs that are under way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile char *mode;
static const char *disk;

__attribute__((constructor)) static void begin(void) {
    int file = ((int (*)(const char *, int))dlsym(RTLD_NEXT, "open"))(getenv("BAD_DISK_MODE"), O_RDWR);
    mode = mmap(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    disk = getenv("BAD_DISK");
    close(file);
}

static int is_below(const char *path) { return path && disk && !strncmp(path, disk, strlen(disk)); }

static int is_on_disk(int file) {
    char link[64], path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 && is_below(path);
}

static int refuses(int concerned) {
    if (!mode || *mode != 'r' || !concerned) return 0;
    errno = EROFS;
    return 1;
}

#define REAL(result, name, ...) ((result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                        \
    int name(const char *path, int flags, ...) {                                          \
        va_list rest;                                                                     \
        va_start(rest, flags);                                                            \
        mode_t rights = flags & O_CREAT ? va_arg(rest, mode_t) : 0;                       \
        va_end(rest);                                                                     \
        if (refuses((flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_below(path))) return -1; \
        return REAL(int, name, const char *, int, ...)(path, flags, rights);              \
    }
OPEN(open)
OPEN(open64)

#define ON_FILE(result, name, parameters, arguments, ...)               \
    result name(int file, ##__VA_ARGS__) {                              \
        if (refuses(is_on_disk(file))) return -1;                       \
        return REAL(result, name, int parameters)(file arguments);      \
    }
#define C ,
ON_FILE(ssize_t, write, C const void * C size_t, C data C size, const void *data, size_t size)
ON_FILE(ssize_t, pwrite, C const void * C size_t C off_t, C data C size C at, const void *data, size_t size, off_t at)
ON_FILE(ssize_t, pwrite64, C const void * C size_t C off64_t, C data C size C at, const void *data, size_t size, off64_t at)
ON_FILE(int, ftruncate, C off_t, C size, off_t size)
ON_FILE(int, ftruncate64, C off64_t, C size, off64_t size)

#define ON_PATH(name, parameters, arguments, ...)                       \
    int name(const char *path, ##__VA_ARGS__) {                         \
        if (refuses(is_below(path))) return -1;                         \
        return REAL(int, name, const char *parameters)(path arguments); \
    }
ON_PATH(unlink, , )
ON_PATH(rmdir, , )
ON_PATH(mkdir, C mode_t, C rights, mode_t rights)
ON_PATH(rename, C const char *, C target, const char *target)

static void wait_if_slow(int file) {
    if (!mode || *mode != 's' || !is_on_disk(file)) return;
    __atomic_add_fetch(&mode[1], 1, __ATOMIC_SEQ_CST);
    sleep(5);
    __atomic_sub_fetch(&mode[1], 1, __ATOMIC_SEQ_CST);
}

#define SYNC(name)                         \
    int name(int file) {                   \
        wait_if_slow(file);                \
        return REAL(int, name, int)(file); \
    }
SYNC(fsync)
SYNC(fdatasync)
