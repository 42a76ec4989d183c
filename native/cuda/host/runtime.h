// The device as host code sees it: memory, copies and launches, in order on one stream. Compiled with nvcc it is the
// GPU, otherwise an emulation in which a launch runs its blocks one after another.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../device/interface.h"
#include "../block.h"

namespace innerloop::device {

// An exception that the interface returns as a code with a text.
struct Failure : std::runtime_error {
  Failure(innerloop_code code, const std::string& what, int required = 0, int found = 0, Index task = -1)
      : std::runtime_error(what), code(code), required(required), found(found), task(task) {}
  innerloop_code code;
  int required, found;
  Index task;
};

inline void refuse(const std::string& what) {
  throw Failure(INNERLOOP_UNSUPPORTED, what + " is not supported on the device");
}

class Runtime {
 public:
  // Throws Failure if there is no usable device.
  Runtime();
  static innerloop_device_info probe();

  void* allocate(std::size_t bytes);
  void release(void* memory) noexcept;
  void upload(void* to, const void* from, std::size_t bytes);
  void download(void* to, const void* from, std::size_t bytes);  // submits what was noted before, and waits for it

  // These operations are noted, and submit() runs them in order. A list that equals the one before, byte for byte,
  // becomes a CUDA graph, which is launched as a whole. This works because everything that changes from call to call
  // lies in device memory.
  void zero(void* memory, std::size_t bytes);
  void copy(void* to, const void* from, std::size_t bytes);
  template <class Stage, class Arguments>
  void launch(Index blocks, std::size_t shared_bytes, const Arguments& arguments) {
    if (blocks <= 0) return;
    static const char name = 0;  // its address identifies this instance of the template
    const void* const parts[] = {&name, &blocks, &shared_bytes, &arguments};
    const std::size_t sizes[] = {0, sizeof blocks, sizeof shared_bytes, sizeof arguments};
    note(parts, sizes, 4, [this, blocks, shared_bytes, arguments] { start<Stage>(blocks, shared_bytes, arguments); });
  }
  void submit();
  void forget() { noted_.clear(), key_.clear(); }

  int processors() const { return processors_; }
  std::size_t shared_limit() const { return shared_limit_; }  // bytes of shared memory that one block may have

#if defined(__CUDACC__)
  static void check(cudaError_t status);
  cudaStream_t stream() const { return stream_; }
#endif

  std::mutex mutex;  // held during a call: calls run one at a time

 private:
  struct Noted {
    std::function<void()> run;
  };
  // Notes an operation. The address of the first part and the bytes of all parts identify it in the key of the list.
  void note(const void* const* parts, const std::size_t* sizes, int count, std::function<void()> run);

  template <class Stage, class Arguments>
  void start(Index blocks, std::size_t shared_bytes, const Arguments& arguments) {
#if defined(__CUDACC__)
    auto* const kernel = entry<Stage, Arguments>;
    if (shared_bytes > 48 * 1024)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
    kernel<<<static_cast<unsigned>(blocks), kLanes, shared_bytes, stream_>>>(arguments, shared_bytes);
    check(cudaGetLastError());
#else
    // Shared memory is filled with NaN, because no result may depend on what it held before.
    std::vector<double> shared(shared_bytes / sizeof(double) + 2);
    for (Index b = 0; b < blocks; ++b) {
      std::memset(shared.data(), 0xff, shared.size() * sizeof(double));
      const Block block{b, blocks, reinterpret_cast<char*>(shared.data()), shared_bytes, backwards_};
      Stage::run(block, arguments);
    }
#endif
  }

  std::vector<Noted> noted_;
  std::string key_;
  int processors_ = 0;
  std::size_t shared_limit_ = 0;
#if defined(__CUDACC__)
  void use() const;
  void run_noted();
  cudaStream_t stream_ = nullptr;
  std::string last_key_;
  cudaGraphExec_t graph_ = nullptr;  // the graph of the list last_key_, made when it comes the second time
#else
  bool backwards_ = false;
#endif
};

// The runtime of this process, created by the first call that needs it.
Runtime& runtime();

// Device memory of one type that is freed with its owner.
template <class X>
class Array {
 public:
  Array() = default;
  explicit Array(std::size_t n)
      : size_(n), data_(n > 0 ? static_cast<X*>(runtime().allocate(n * sizeof(X))) : nullptr) {}
  Array(const X* from, std::size_t n) : Array(n) {
    if (n > 0) runtime().upload(data_, from, n * sizeof(X));
  }
  explicit Array(const std::vector<X>& from) : Array(from.data(), from.size()) {}
  Array(Array&& other) noexcept : size_(other.size_), data_(other.data_) { other.data_ = nullptr, other.size_ = 0; }
  Array& operator=(Array&& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Array() {
    if (data_) runtime().release(data_);
  }
  X* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
  X* data_ = nullptr;
};

// Device memory of one call, taken from pieces that are kept for later calls. A call with the same sizes gets the same
// addresses, which the reuse of graphs relies on.
class Scratch {
 public:
  void reset() { piece_ = 0, used_ = 0; }
  template <class X>
  X* take(std::size_t n) {
    const std::size_t bytes = (n * sizeof(X) + 255) / 256 * 256;
    while (piece_ < pieces_.size() && used_ + bytes > pieces_[piece_].size()) ++piece_, used_ = 0;
    if (piece_ == pieces_.size()) pieces_.emplace_back(bytes > kPiece ? bytes : kPiece), used_ = 0;
    char* at = pieces_[piece_].data() + used_;
    used_ += bytes;
    return reinterpret_cast<X*>(at);
  }
  template <class X>
  X* put(const std::vector<X>& from) {
    X* to = take<X>(from.size());
    if (!from.empty()) runtime().upload(to, from.data(), from.size() * sizeof(X));
    return to;
  }
  template <class X>
  X* put(const X& from) {
    X* to = take<X>(1);
    runtime().upload(to, &from, sizeof(X));
    return to;
  }
  template <class X>
  X* zeroed(std::size_t n) {
    X* to = take<X>(n);
    runtime().zero(to, n * sizeof(X));
    return to;
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{16} << 20;
  std::vector<Array<char>> pieces_;
  std::size_t piece_ = 0, used_ = 0;
};

}  // namespace innerloop::device
