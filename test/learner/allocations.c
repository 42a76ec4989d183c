// Preloaded, counts the bytes that a process has allocated and not freed, and the most there have been: the same on every
// machine and in every run, where the resident size is not. The two numbers lie in the file that ALLOCATIONS names,
// where the process itself may read them and set the most back.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
  atomic_llong live, most;
};
static struct counts until_opened;
static struct counts* counts = &until_opened;

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

__attribute__((constructor)) static void open_counts(void) {
  const char* path = getenv("ALLOCATIONS");
  const int file = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
  if (file < 0 || ftruncate(file, sizeof *counts) != 0) return;
  struct counts* shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared == MAP_FAILED) return;
  atomic_store(&shared->live, atomic_load(&counts->live));
  counts = shared;
}

static void* taken(void* p) {
  if (!p) return p;
  const long long live = atomic_fetch_add(&counts->live, (long long)malloc_usable_size(p)) + (long long)malloc_usable_size(p);
  long long most = atomic_load(&counts->most);
  while (live > most && !atomic_compare_exchange_weak(&counts->most, &most, live)) {
  }
  return p;
}

static void given_back(void* p) {
  if (p) atomic_fetch_sub(&counts->live, (long long)malloc_usable_size(p));
}

void* malloc(size_t n) { return taken(__libc_malloc(n)); }
void* calloc(size_t n, size_t size) { return taken(__libc_calloc(n, size)); }
void* memalign(size_t alignment, size_t n) { return taken(__libc_memalign(alignment, n)); }
void* aligned_alloc(size_t alignment, size_t n) { return taken(__libc_memalign(alignment, n)); }
int posix_memalign(void** p, size_t alignment, size_t n) {
  void* q = taken(__libc_memalign(alignment, n));
  if (!q) return ENOMEM;
  *p = q;
  return 0;
}
void* realloc(void* p, size_t n) {
  const long long before = p ? (long long)malloc_usable_size(p) : 0;
  void* q = __libc_realloc(p, n);
  if (q || n == 0) atomic_fetch_sub(&counts->live, before);
  return taken(q);
}
void free(void* p) {
  given_back(p);
  __libc_free(p);
}
