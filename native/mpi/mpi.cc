// What lib/distributed needs of MPI: who takes part, and bytes handed from all to all, with a limit on the wait.
//
// Every exchange is of point-to-point messages rather than one collective, so that a process that does not answer can
// be named, and so that nothing is added up here: sums are made by the core, in an order of its own.
#include <mpi.h>
#include <napi.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// MPI counts in int; longer messages go in pieces.
constexpr std::size_t kPiece = std::size_t{1} << 30;
enum Tag { head_tag = 1, rest_tag = 2 };
// A first message of the size and as many bytes as fit: what is short needs no second one.
constexpr std::size_t kHead = 4096, kShort = kHead - sizeof(std::uint64_t);

constexpr std::chrono::microseconds kAwake{500}, kLongestSleep{1000};

struct Silent {
  std::vector<int> ranks;
};

// One at a time: MPI is started for calls that follow each other, from whatever thread.
struct Exchange {
  int rank, size;
  double seconds;  // longest wait
  std::vector<MPI_Request> requests;
  std::vector<int> from;  // by request: whom it waits for

  void receive(void* to, std::size_t bytes, int other, int tag) {
    each_piece(bytes, [&](std::size_t at, int count) {
      MPI_Request request;
      MPI_Irecv(static_cast<char*>(to) + at, count, MPI_BYTE, other, tag, MPI_COMM_WORLD, &request);
      requests.push_back(request), from.push_back(other);
    });
  }
  void send(const void* data, std::size_t bytes, int other, int tag) {
    each_piece(bytes, [&](std::size_t at, int count) {
      MPI_Request request;
      MPI_Isend(static_cast<const char*>(data) + at, count, MPI_BYTE, other, tag, MPI_COMM_WORLD, &request);
      requests.push_back(request), from.push_back(other);
    });
  }
  // Processes may share a core: whoever waits gives it up, and sleeps if it takes long, for a part of what it has
  // waited: an exchange takes no more than that part longer for it.
  void wait() {
    const auto began = Clock::now();
    for (;;) {
      int done = 0;
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
      if (done) break;
      const auto waited = Clock::now() - began;
      if (waited > std::chrono::duration<double>(seconds)) throw Silent{pending()};
      if (waited < kAwake)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::min<Clock::duration>(waited / 8, kLongestSleep));
    }
    requests.clear(), from.clear();
  }

 private:
  template <class F>
  static void each_piece(std::size_t bytes, const F& f) {
    for (std::size_t at = 0; at < bytes; at += kPiece) f(at, static_cast<int>(std::min(kPiece, bytes - at)));
  }
  std::vector<int> pending() {
    std::vector<int> ranks;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      int done = 0;
      MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE);
      if (!done) ranks.push_back(from[i]);
    }
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    return ranks;
  }
};

std::vector<std::vector<char>> all_gather(Exchange exchange, const std::vector<char>& own) {
  const auto short_part = [](std::size_t bytes) { return std::min(bytes, kShort); };
  const auto others = [&](const auto& f) {
    for (int r = 0; r < exchange.size; ++r)
      if (r != exchange.rank) f(r);
  };
  const std::uint64_t size = own.size();
  std::vector<char> head(sizeof size + short_part(own.size()));
  std::memcpy(head.data(), &size, sizeof size);
  std::copy_n(own.data(), short_part(own.size()), head.data() + sizeof size);
  std::vector<std::vector<char>> heads(exchange.size), all(exchange.size);
  others([&](int r) {
    heads[r].resize(kHead);
    exchange.receive(heads[r].data(), kHead, r, head_tag);
    exchange.send(head.data(), head.size(), r, head_tag);
  });
  exchange.wait();
  others([&](int r) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, heads[r].data(), sizeof bytes);
    all[r].resize(bytes);
    const std::size_t there = short_part(bytes), here = short_part(own.size());
    std::copy_n(heads[r].data() + sizeof bytes, there, all[r].data());
    exchange.receive(all[r].data() + there, bytes - there, r, rest_tag);
    exchange.send(own.data() + here, own.size() - here, r, rest_tag);
  });
  exchange.wait();
  return all;
}

// Resolves to the bytes of the others by rank; the entry of this process is empty.
class AllGather : public Napi::AsyncWorker {
 public:
  AllGather(Napi::Env env, Exchange exchange, std::vector<char> own)
      : AsyncWorker(env),
        deferred(Napi::Promise::Deferred::New(env)),
        exchange_(std::move(exchange)),
        own_(std::move(own)) {}
  const Napi::Promise::Deferred deferred;

  void Execute() override {
    try {
      all_ = all_gather(std::move(exchange_), own_);
    } catch (const Silent& silent) {
      silent_ = silent.ranks;
      SetError("no answer");
    } catch (const std::exception& error) {
      SetError(error.what());
    }
  }
  void OnOK() override {
    const Napi::Env env = Env();
    Napi::Array out = Napi::Array::New(env, all_.size());
    for (std::size_t r = 0; r < all_.size(); ++r) {
      auto bytes = Napi::Uint8Array::New(env, all_[r].size());
      std::copy(all_[r].begin(), all_[r].end(), reinterpret_cast<char*>(bytes.Data()));
      out.Set(static_cast<std::uint32_t>(r), bytes);
    }
    deferred.Resolve(out);
  }
  void OnError(const Napi::Error& error) override {
    Napi::Array ranks = Napi::Array::New(Env());
    for (const int r : silent_) ranks.Set(ranks.Length(), Napi::Number::New(Env(), r));
    error.Set("ranks", ranks);
    deferred.Reject(error.Value());
  }

 private:
  Exchange exchange_;
  std::vector<char> own_;
  std::vector<std::vector<char>> all_;
  std::vector<int> silent_;
};

int rank_ = 0, size_ = 0;

Napi::Value start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int started = 0;
  MPI_Initialized(&started);
  if (!started) {
    int provided = 0;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS)
      throw Napi::Error::New(env, "MPI does not start");
    if (provided < MPI_THREAD_SERIALIZED)
      throw Napi::Error::New(env, "this MPI allows calls from one thread only; it must be built for several");
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  char host[MPI_MAX_PROCESSOR_NAME] = "", library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_processor_name(host, &length);
  MPI_Get_library_version(library, &length);
  Napi::Object out = Napi::Object::New(env);
  out.Set("rank", Napi::Number::New(env, rank_));
  out.Set("size", Napi::Number::New(env, size_));
  out.Set("host", Napi::String::New(env, host));
  out.Set("library", Napi::String::New(env, std::string(library).substr(0, std::string(library).find_first_of(",\n"))));
  return out;
}

// allGather(bytes, seconds)
Napi::Value gather(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (size_ == 0) throw Napi::Error::New(env, "start first");
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Napi::TypeError::New(env, "bytes must be a Uint8Array");
  const double seconds = info[1].ToNumber().DoubleValue();
  if (!(seconds > 0)) throw Napi::TypeError::New(env, "seconds must be > 0");
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const char* from = reinterpret_cast<const char*>(bytes.Data());
  std::vector<char> own = from ? std::vector<char>(from, from + bytes.ElementLength()) : std::vector<char>();
  auto* worker = new AllGather(env, {rank_, size_, seconds, {}, {}}, std::move(own));
  const Napi::Promise promise = worker->deferred.Promise();
  worker->Queue();
  return promise;
}

// Ends all processes with this exit code.
Napi::Value stop_all(const Napi::CallbackInfo& info) {
  MPI_Abort(MPI_COMM_WORLD, info[0].ToNumber().Int32Value());
  return info.Env().Undefined();
}

Napi::Value finish(const Napi::CallbackInfo& info) {
  int ended = 0;
  MPI_Finalized(&ended);
  if (!ended) MPI_Finalize();
  size_ = 0;
  return info.Env().Undefined();
}

}  // namespace

static Napi::Object InitMpi(Napi::Env env, Napi::Object exports) {
  exports.Set("start", Napi::Function::New(env, start, "start"));
  exports.Set("allGather", Napi::Function::New(env, gather, "allGather"));
  exports.Set("abort", Napi::Function::New(env, stop_all, "abort"));
  exports.Set("finish", Napi::Function::New(env, finish, "finish"));
  return exports;
}
NODE_API_MODULE(innerloop_mpi, InitMpi)
