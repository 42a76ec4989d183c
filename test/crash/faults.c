// Faults at chosen instants of a process that writes under a folder, for LD_PRELOAD on Linux:
//
//   FAULT_FOLDER   only calls on files below it count
//   FAULT_AT       number of the call, from 1, at which it happens (0: never)
//   FAULT_KIND     before, after: kill -9 there; half: kill -9 half way through that write; full: that write and all
//   later
//                  ones find the disk full; sync: that fsync fails
//   FAULT_LOG      file to which every counted call is appended, one a line
//   FAULT_CLOCK    1: the wall clock jumps by up to ten years either way at every look; the monotonic clock does not
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_long calls;
static atomic_uchar ours[65536];  // by descriptor: a file below the folder

static long at(void) {
  const char* s = getenv("FAULT_AT");
  return s ? atol(s) : 0;
}
static int kind(const char* name) {
  const char* s = getenv("FAULT_KIND");
  return s && strcmp(s, name) == 0;
}
static int below(const char* path) {
  const char* folder = getenv("FAULT_FOLDER");
  char full[PATH_MAX];
  if (!folder || !path) return 0;
  if (path[0] != '/') {
    if (!getcwd(full, sizeof full / 2)) return 0;
    strncat(full, "/", 2);
    strncat(full, path, sizeof full / 2 - 2);
    path = full;
  }
  return strncmp(path, folder, strlen(folder)) == 0;
}
static int is_ours(int fd) { return fd >= 0 && fd < 65536 && ours[fd]; }
static void die(void) {
  for (;;) syscall(SYS_kill, getpid(), SIGKILL);
}

// The number of this call. Only raw system calls: the library's own are replaced below.
static long count(const char* what, const char* path) {
  const long n = atomic_fetch_add(&calls, 1) + 1;
  const char* log = getenv("FAULT_LOG");
  if (log) {
    char line[PATH_MAX + 32];
    const int size = snprintf(line, sizeof line, "%s %s\n", what, path ? path : "");
    const int fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    syscall(SYS_write, fd, line, size);
    syscall(SYS_close, fd);
  }
  if (n == at() && (kind("before") || (kind("half") && strcmp(what, "write") != 0))) die();
  return n;
}
static void counted(long n) {
  if (n == at() && kind("after")) die();
}

#define WRAP(what, path, type, call) \
  const long n = count(what, path);  \
  const type result = call;          \
  counted(n);                        \
  return result

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;
  va_end(list);
  const int mine = below(path);
  const long n = mine ? count(flags & O_CREAT ? "create" : flags & O_DIRECTORY ? "folder" : "open", path) : 0;
  const int fd = NEXT(open64)(path, flags, mode);
  if (fd >= 0 && fd < 65536) ours[fd] = mine;
  if (mine) counted(n);
  return fd;
}
int close(int fd) {
  if (fd >= 0 && fd < 65536) ours[fd] = 0;
  return NEXT(close)(fd);
}
int rename(const char* from, const char* to) {
  if (!below(to)) return NEXT(rename)(from, to);
  WRAP("rename", to, int, NEXT(rename)(from, to));
}
int link(const char* from, const char* to) {
  if (!below(to)) return NEXT(link)(from, to);
  WRAP("link", to, int, NEXT(link)(from, to));
}
int unlink(const char* path) {
  if (!below(path)) return NEXT(unlink)(path);
  WRAP("unlink", path, int, NEXT(unlink)(path));
}
int fsync(int fd) {
  if (!is_ours(fd)) return NEXT(fsync)(fd);
  const long n = count("sync", NULL);
  if (n == at() && kind("sync")) return errno = EIO, -1;
  const int result = NEXT(fsync)(fd);
  counted(n);
  return result;
}
static ssize_t writing(int fd, const void* data, size_t size, long long offset) {
  const long n = count("write", NULL);
  if (n == at() && kind("half")) {
    syscall(SYS_write, fd, data, size / 2);
    die();
  }
  if (at() > 0 && n >= at() && kind("full")) {
    // A disk fills up in the middle of a file: what still fits is written, the next call is refused.
    if (n == at() && size > 1)
      return offset < 0 ? NEXT(write)(fd, data, size / 2) : NEXT(pwrite64)(fd, data, size / 2, offset);
    return errno = ENOSPC, -1;
  }
  const ssize_t result = offset < 0 ? NEXT(write)(fd, data, size) : NEXT(pwrite64)(fd, data, size, offset);
  counted(n);
  return result;
}
ssize_t write(int fd, const void* data, size_t size) {
  return is_ours(fd) ? writing(fd, data, size, -1) : NEXT(write)(fd, data, size);
}
ssize_t pwrite64(int fd, const void* data, size_t size, __off64_t offset) {
  return is_ours(fd) ? writing(fd, data, size, offset) : NEXT(pwrite64)(fd, data, size, offset);
}

static long jump(void) {
  static atomic_ulong state;
  if (!getenv("FAULT_CLOCK")) return 0;
  unsigned long x = atomic_fetch_add(&state, 0x9e3779b97f4a7c15ul) + 0x9e3779b97f4a7c15ul;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
  const long years = 10l * 365 * 86400;
  return (long)((x ^ (x >> 31)) % (2 * years)) - years;
}
int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = NEXT(clock_gettime)(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
  return result;
}
int gettimeofday(struct timeval* now, void* zone) {
  const int result = NEXT(gettimeofday)(now, zone);
  if (result == 0) now->tv_sec += jump();
  return result;
}
time_t time(time_t* to) {
  const time_t now = NEXT(time)(NULL) + jump();
  if (to) *to = now;
  return now;
}
