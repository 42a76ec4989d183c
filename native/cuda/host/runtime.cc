#include "runtime.h"

#include <cstdio>

namespace innerloop::device {

Runtime& runtime() {
  // It is never destroyed, because device memory may be released after static objects were destroyed.
  static Runtime* const one = new Runtime();
  return *one;
}

void Runtime::note(const void* const* parts, const std::size_t* sizes, int count, std::function<void()> run) {
  if (count > 0) key_.append(reinterpret_cast<const char*>(&parts[0]), sizeof parts[0]);
  for (int i = 0; i < count; ++i) key_.append(static_cast<const char*>(parts[i]), sizes[i]);
  noted_.push_back({std::move(run)});
}

#if defined(__CUDACC__)

namespace {

// The oldest compute capability that the plugin is compiled for; newer GPUs run the PTX.
constexpr int kCapability = 80;

struct Found {
  innerloop_device_info info{};
  int device = -1;
  std::size_t shared = 0;
};

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// Finds the first usable device in the order of CUDA_VISIBLE_DEVICES.
Found find() {
  Found found;
  int driver = 0, runtime_version = 0, count = 0;
  cudaRuntimeGetVersion(&runtime_version);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) throw Failure(INNERLOOP_NO_DRIVER, "no CUDA driver");
  const cudaError_t status = cudaGetDeviceCount(&count);
  // A driver supports every runtime of its major version, so minor versions are not compared.
  if (status == cudaErrorInsufficientDriver || driver / 1000 < runtime_version / 1000)
    throw Failure(
        INNERLOOP_DRIVER_TOO_OLD,
        "the CUDA driver is of version " + version(driver) + ", this needs " + version(runtime_version / 1000 * 1000),
        runtime_version / 1000 * 1000, driver);
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
    throw Failure(INNERLOOP_NO_DEVICE, "no CUDA device");
  if (status != cudaSuccess) throw Failure(INNERLOOP_NO_DRIVER, cudaGetErrorString(status));
  int best = 0;
  for (int d = 0; d < count; ++d) {
    cudaDeviceProp properties;
    Runtime::check(cudaGetDeviceProperties(&properties, d));
    const int capability = properties.major * 10 + properties.minor;
    best = capability > best ? capability : best;
    if (capability < kCapability) continue;
    found.device = d;
    found.shared = properties.sharedMemPerBlockOptin;
    std::snprintf(found.info.name, sizeof found.info.name, "%.127s", properties.name);
    std::snprintf(found.info.backend, sizeof found.info.backend, "cuda");
    found.info.driver = driver, found.info.runtime = runtime_version, found.info.capability = capability;
    found.info.processors = properties.multiProcessorCount;
    found.info.memory = static_cast<std::int64_t>(properties.totalGlobalMem);
    return found;
  }
  throw Failure(INNERLOOP_ARCHITECTURE,
                "compute capability " + std::to_string(best / 10) + "." + std::to_string(best % 10) + ", this needs " +
                    std::to_string(kCapability / 10) + "." + std::to_string(kCapability % 10),
                kCapability, best);
}

thread_local bool used = false;  // whether this thread has set its device
int chosen = 0;

}  // namespace

void Runtime::check(cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Failure(status == cudaErrorMemoryAllocation ? INNERLOOP_OUT_OF_MEMORY : INNERLOOP_FAILED,
                std::string("the device: ") + cudaGetErrorString(status));
}

innerloop_device_info Runtime::probe() { return find().info; }

Runtime::Runtime() {
  const Found found = find();
  chosen = found.device;
  processors_ = found.info.processors;
  shared_limit_ = found.shared;
  use();
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

void Runtime::use() const {
  if (used) return;
  check(cudaSetDevice(chosen));
  used = true;
}

void* Runtime::allocate(std::size_t bytes) {
  use();
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes));
  return memory;
}
void Runtime::release(void* memory) noexcept { cudaFree(memory); }
void Runtime::upload(void* to, const void* from, std::size_t bytes) {
  use();
  // CUDA stages copies from memory that is not page-locked before this returns, so the caller may reuse `from`.
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
}
void Runtime::download(void* to, const void* from, std::size_t bytes) {
  submit();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
  check(cudaStreamSynchronize(stream_));
}
void Runtime::copy(void* to, const void* from, std::size_t bytes) {
  static const char name = 0;
  const void* const parts[] = {&name, &to, &from, &bytes};
  const std::size_t sizes[] = {0, sizeof to, sizeof from, sizeof bytes};
  note(parts, sizes, 4, [=, this] { check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_)); });
}
void Runtime::zero(void* memory, std::size_t bytes) {
  if (bytes == 0) return;
  static const char name = 0;
  const void* const parts[] = {&name, &memory, &bytes};
  const std::size_t sizes[] = {0, sizeof memory, sizeof bytes};
  note(parts, sizes, 3, [=, this] { check(cudaMemsetAsync(memory, 0, bytes, stream_)); });
}

void Runtime::run_noted() {
  for (const Noted& each : noted_) each.run();
}

void Runtime::submit() {
  if (noted_.empty()) return;
  use();
  if (key_ != last_key_) {
    if (graph_) cudaGraphExecDestroy(graph_);
    graph_ = nullptr;
    last_key_ = key_;
    run_noted();
  } else {
    if (!graph_) {
      cudaGraph_t graph = nullptr;
      check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
      try {
        run_noted();
      } catch (...) {
        cudaStreamEndCapture(stream_, &graph);
        if (graph) cudaGraphDestroy(graph);
        forget();
        throw;
      }
      check(cudaStreamEndCapture(stream_, &graph));
      const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
      cudaGraphDestroy(graph);
      check(status);
    }
    check(cudaGraphLaunch(graph_, stream_));
  }
  forget();
}

#else

innerloop_device_info Runtime::probe() {
  innerloop_device_info info{};
  std::snprintf(info.name, sizeof info.name, "emulation");
  std::snprintf(info.backend, sizeof info.backend, "emulation");
  info.processors = 4;
  return info;
}

// The emulated device is small, so that tests cover tasks whose memory does not fit into shared memory and blocks with
// several tasks. The environment variable INNERLOOP_EMULATE may contain `backwards`, which takes the items of every
// loop in reverse order, or begin with a number, the bytes of shared memory of a block.
Runtime::Runtime() {
  processors_ = 2;
  shared_limit_ = 48 * 1024;
  const char* wanted = std::getenv("INNERLOOP_EMULATE");
  if (!wanted) return;
  backwards_ = std::strstr(wanted, "backwards") != nullptr;
  if (const long bytes = std::atol(wanted); bytes > 0) shared_limit_ = static_cast<std::size_t>(bytes);
}

void* Runtime::allocate(std::size_t bytes) {
  // Memory is filled with NaN, because no result may depend on what it held before.
  void* memory = std::malloc(bytes);
  if (!memory) throw Failure(INNERLOOP_OUT_OF_MEMORY, "out of memory");
  std::memset(memory, 0xff, bytes);
  return memory;
}
void Runtime::release(void* memory) noexcept { std::free(memory); }
void Runtime::upload(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
void Runtime::download(void* to, const void* from, std::size_t bytes) {
  submit();
  std::memcpy(to, from, bytes);
}
void Runtime::copy(void* to, const void* from, std::size_t bytes) {
  note(nullptr, nullptr, 0, [=] { std::memcpy(to, from, bytes); });
}
void Runtime::zero(void* memory, std::size_t bytes) {
  note(nullptr, nullptr, 0, [=] { std::memset(memory, 0, bytes); });
}
void Runtime::submit() {
  for (const Noted& each : noted_) each.run();
  forget();
}

#endif

}  // namespace innerloop::device
