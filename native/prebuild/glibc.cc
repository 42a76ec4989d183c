// Symbols of glibc by their versions of 2.28 and before, so that a binary built on a newer system loads on RHEL 8 and
// 9, Debian 10, Ubuntu 20.04 and whatever came since. Only prebuilt binaries have this file (CMake:
// INNERLOOP_PORTABLE).
//
// A linker binds to the newest version of a symbol that the build system has. Version 2.34 gave the functions of
// libpthread and libdl new versions without changing them, 2.29 did so to exp, log and pow without their System V error
// handling, 2.35 to hypot; the old versions are there in every later glibc. References in the static libstdc++ and
// libgcc need the same, so the linker redirects all of them here (--wrap, see CMakeLists.txt) and these pass them on.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstdint>

#if defined(__x86_64__)
#define BASE "GLIBC_2.2.5"
#define AFFINITY "GLIBC_2.3.4"
#elif defined(__aarch64__)
#define BASE "GLIBC_2.17"
#define AFFINITY "GLIBC_2.17"
#else
#error "no list of symbol versions for this processor: build without INNERLOOP_PORTABLE"
#endif

#define BIND(version, result, name, parameters, arguments) \
  result old_##name parameters;                            \
  __asm__(".symver old_" #name "," #name "@" version);     \
  result __wrap_##name parameters { return old_##name arguments; }

extern "C" {

BIND(BASE, double, exp, (double x), (x))
BIND(BASE, double, hypot, (double x, double y), (x, y))
BIND(BASE, double, log, (double x), (x))
BIND(BASE, double, pow, (double x, double y), (x, y))

BIND(BASE, int, pthread_create, (pthread_t * thread, const pthread_attr_t* attributes, void* (*run)(void*), void* of),
     (thread, attributes, run, of))
BIND(BASE, int, pthread_join, (pthread_t thread, void** result), (thread, result))
BIND(BASE, int, pthread_detach, (pthread_t thread), (thread))
BIND(BASE, int, pthread_once, (pthread_once_t * once, void (*run)()), (once, run))
BIND(BASE, int, pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
BIND(BASE, int, __pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
BIND(BASE, int, pthread_key_delete, (pthread_key_t key), (key))
BIND(BASE, void*, pthread_getspecific, (pthread_key_t key), (key))
BIND(BASE, int, pthread_setspecific, (pthread_key_t key, const void* value), (key, value))
BIND(BASE, int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
BIND(BASE, int, pthread_mutex_timedlock, (pthread_mutex_t * mutex, const timespec* until), (mutex, until))
BIND(BASE, int, pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const timespec* until), (lock, until))
BIND(BASE, int, pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const timespec* until), (lock, until))
BIND(BASE, int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
BIND(BASE, int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock), (lock))
BIND(BASE, int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
BIND(BASE, int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock), (lock))
BIND(BASE, int, pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))
// In libdl before 2.34, which Node itself has loaded.
BIND(BASE, void*, dlopen, (const char* file, int flags), (file, flags))
BIND(BASE, void*, dlsym, (void* of, const char* name), (of, name))
BIND(BASE, char*, dlerror, (), ())

BIND(AFFINITY, int, pthread_getaffinity_np, (pthread_t thread, std::size_t size, cpu_set_t* set), (thread, size, set))
BIND(AFFINITY, int, pthread_setaffinity_np, (pthread_t thread, std::size_t size, const cpu_set_t* set),
     (thread, size, set))

// What older systems do not have at all, and libstdc++ or libgcc would use.

// 2.30: locks that wait until a time of a given clock. Before, they wait until one of the wall clock: a jump of it
// while one waits makes the wait shorter or longer, which std::timed_mutex allows.
static timespec onWallClock(clockid_t clock, const timespec* until) {
  timespec here;
  timespec there;
  clock_gettime(clock, &here);
  clock_gettime(CLOCK_REALTIME, &there);
  constexpr std::int64_t SECOND = 1000000000;
  const std::int64_t left = (until->tv_sec - here.tv_sec) * SECOND + until->tv_nsec - here.tv_nsec;
  const std::int64_t at = there.tv_sec * SECOND + there.tv_nsec + left;
  return {static_cast<time_t>(at / SECOND), static_cast<long>(at % SECOND)};
}
int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) noexcept {
  const timespec wall = onWallClock(clock, until);
  return old_pthread_mutex_timedlock(mutex, &wall);
}
int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
  const timespec wall = onWallClock(clock, until);
  return old_pthread_rwlock_timedrdlock(lock, &wall);
}
int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) noexcept {
  const timespec wall = onWallClock(clock, until);
  return old_pthread_rwlock_timedwrlock(lock, &wall);
}

// 2.36: std::random_device.
std::uint32_t arc4random() {
  std::uint32_t value = 0;
  while (getentropy(&value, sizeof value) != 0) {
  }
  return value;
}

// 2.35: where the unwinder finds the tables of an address. libgcc asks nothing else where it was built to ask this, so
// the loaded objects are searched as it did before.
#ifdef DLFO_STRUCT_HAS_EH_DBASE
struct TablesOf {
  std::uintptr_t address;
  dl_find_object* found;
};
static int find_tables(dl_phdr_info* object, std::size_t, void* of) {
  const TablesOf& wanted = *static_cast<TablesOf*>(of);
  const auto at = [&](const ElfW(Phdr) & part) {
    return static_cast<std::uintptr_t>(object->dlpi_addr + part.p_vaddr);
  };
  std::uintptr_t start = UINTPTR_MAX, end = 0, tables = 0;
  bool contains = false;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type == PT_GNU_EH_FRAME) tables = at(part);
    if (part.p_type != PT_LOAD) continue;
    start = std::min(start, at(part));
    end = std::max(end, at(part) + part.p_memsz);
    contains |= wanted.address >= at(part) && wanted.address < at(part) + part.p_memsz;
  }
  if (!contains) return 0;
  *wanted.found = {};
  wanted.found->dlfo_map_start = reinterpret_cast<void*>(start);
  wanted.found->dlfo_map_end = reinterpret_cast<void*>(end);
  wanted.found->dlfo_eh_frame = reinterpret_cast<void*>(tables);
  return tables == 0 ? -1 : 1;
}
int _dl_find_object(void* address, dl_find_object* found) noexcept {
  TablesOf wanted{reinterpret_cast<std::uintptr_t>(address), found};
  return dl_iterate_phdr(find_tables, &wanted) == 1 ? 0 : -1;
}
#endif

// 2.32: whether reference counts may do without atomic operations. Node has several threads.
char __libc_single_threaded = 0;
}
