// Drives a device plugin through its C interface: the meta-gradient against finite differences of its own loss, the
// symmetry of the Hessian, a training, refusals. Prints every result, so that two runs can be compared to the bit.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../../native/device/interface.h"

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

const innerloop_device* device;
innerloop_failure failure;
void ok(int32_t code) { require(code == INNERLOOP_OK, failure.text); }

double uniform() {
  static uint64_t state = 42;
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<double>(state >> 11) / 9007199254740992.0 - 0.5;
}
std::vector<double> vector(std::size_t n) {
  std::vector<double> v(n);
  for (double& x : v) x = uniform();
  return v;
}
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// A dense input of 5 values and ids with embeddings of 3, an activation between two linear layers of 7 and 1.
constexpr int kDense = 5, kDim = 3, kHidden = 7, kIds = 4, kTensors = 5;
constexpr int64_t kTasks = 3, kSupport = 4, kQuery = 3, kRows = kTasks * (kSupport + kQuery);
constexpr int64_t kWeights = (kDense + kDim) * kHidden + kHidden + kHidden + 1, kArena = kWeights + kIds * kDim;

struct Problem {
  innerloop_model* model = nullptr;
  innerloop_frame* frame = nullptr;
  innerloop_batch *batch = nullptr, *rows = nullptr;
  std::vector<int64_t> begin, entry_begin, unique_begin{0};
  std::vector<int32_t> side, local, unique;
  std::vector<double> x = vector(kRows * kDense), labels = vector(kRows);

  Problem() {
    const innerloop_input inputs[] = {{0, 0, kDense}, {1, 0, 0}};
    const int64_t w1 = (kDense + kDim) * kHidden;
    const innerloop_tensor tensors[kTensors] = {{0, w1, 0, -1},
                                                {w1, kHidden, 0, -1},
                                                {w1 + kHidden, kHidden, 0, -1},
                                                {w1 + 2 * kHidden, 1, 0, -1},
                                                {kWeights, kIds * kDim, kDim, 1}};
    const int32_t tables[] = {-1, 4}, first[] = {0, 1}, second[] = {2, 3}, slots_in[] = {0, 1, 2};
    const double columns[] = {0, 1}, tanh[] = {1};
    const innerloop_layer layers[] = {{0, 0, 0, 2, 2, nullptr, tables, columns},
                                      {1, 1, 1, 2, 0, slots_in, first, nullptr},
                                      {2, 2, 1, 0, 1, slots_in + 1, nullptr, tanh},
                                      {1, 3, 1, 2, 0, slots_in + 2, second, nullptr}};
    const int64_t slots[] = {kDense + kDim, kHidden, kHidden, 1};
    const innerloop_head head{0, 1, 1};
    const innerloop_model_spec spec{8,      2,       kTensors, 4,     4,     1,        3,
                                    inputs, tensors, layers,   slots, &head, kWeights, kArena};
    ok(device->create_model(&spec, &model, &failure));
    const innerloop_column dense[] = {{x.data(), kRows, kDense}, {nullptr, 0, 0}};
    ok(device->create_frame(model, dense, &frame, &failure));
    for (int64_t r = 0; r <= kRows; ++r) entry_begin.push_back(r), side.push_back(static_cast<int32_t>(r));
    for (int64_t t = 0; t < kTasks; ++t) {
      begin.push_back(t * (kSupport + kQuery)), begin.push_back(t * (kSupport + kQuery) + kSupport);
      // Every task meets all ids but one, in an order of its own.
      for (int i = 0; i < kIds - 1; ++i) unique.push_back(static_cast<int32_t>((t + i) % kIds));
      for (int64_t r = 0; r < kSupport + kQuery; ++r) local.push_back(static_cast<int32_t>(r * r % (kIds - 1)));
      unique_begin.push_back(static_cast<int64_t>(unique.size()));
    }
    begin.push_back(kRows);
    batch = make_batch(kTasks, begin);
    rows = make_batch(1, {0, 0, kRows});
  }
  // As one task of query rows, ids are the table's own rows.
  Problem(const Problem&) = delete;
  ~Problem() {
    device->free_batch(batch), device->free_batch(rows);
    device->free_frame(frame);
    device->free_model(model);
  }

  innerloop_batch* make_batch(int64_t tasks, const std::vector<int64_t>& of) {
    const std::vector<int32_t> all{0, 1, 2, 3};
    std::vector<int32_t> ids;
    for (int64_t t = 0; t < kTasks; ++t)
      for (int64_t r = begin[2 * t]; r < begin[2 * t + 2 > 2 * kTasks ? 2 * kTasks : 2 * t + 2]; ++r)
        ids.push_back(unique[unique_begin[t] + local[r]]);
    ids.resize(kRows, 0);
    const std::vector<int64_t> one{0, kIds};
    const bool whole = tasks == 1;
    const innerloop_batch_input inputs[] = {
        {side.data(), nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, 0},
        {nullptr, nullptr, entry_begin.data(), whole ? ids.data() : local.data(),
         whole ? one.data() : unique_begin.data(), whole ? all.data() : unique.data(),
         whole ? all.data() : unique.data(), all.data(), kIds}};
    const innerloop_batch_spec spec{tasks, of.data(), inputs, labels.data(), nullptr, nullptr};
    innerloop_batch* made = nullptr;
    ok(device->create_batch(frame, &spec, &made, &failure));
    return made;
  }
};

innerloop_store* store_of(const Problem& problem, std::vector<double> values) {
  innerloop_store* store = nullptr;
  ok(device->create_store(problem.model, &store, &failure));
  const innerloop_state state{values.data(), nullptr, nullptr, nullptr, 0};
  ok(device->write_store(store, &state, &failure));
  return store;
}

struct Gradient {
  double loss = 0;
  std::vector<double> values;
};
Gradient meta_gradient(const Problem& problem, const std::vector<double>& theta, const innerloop_loop& loop) {
  innerloop_store* store = store_of(problem, theta);
  Gradient g{0, std::vector<double>(kArena)};
  std::vector<double> losses(kTasks);
  void* blocks[kTensors] = {nullptr, nullptr, nullptr, nullptr, g.values.data() + kWeights};
  innerloop_meta_gradient_result out{0, losses.data(), {g.values.data(), blocks}, {nullptr, nullptr}, nullptr};
  ok(device->meta_gradient(store, problem.batch, &loop, 0, &out, &failure));
  g.loss = out.loss;
  device->free_store(store);
  return g;
}

void print(const std::vector<double>& values) {
  for (const double value : values) std::printf("%a\n", value);
}

void check_gradients(const Problem& problem, const std::vector<double>& theta) {
  const uint8_t selections[][kTensors] = {{1, 1, 1, 1, 1}, {1, 1, 1, 1, 0}, {0, 0, 1, 1, 0}, {0, 0, 0, 0, 0}};
  for (const auto& fast : selections)
    for (const int form : {1, 2}) {
      innerloop_loop loop{};
      loop.steps = 3, loop.order = 2, loop.form = form, loop.rate = 0.1, loop.fast = fast;
      loop.prior = loop.prior_factor = -1;
      const Gradient g = meta_gradient(problem, theta, loop);
      print(g.values);
      const std::vector<double> u = vector(kArena);
      const auto at = [&](double h) {
        std::vector<double> moved = theta;
        for (int64_t i = 0; i < kArena; ++i) moved[i] += h * u[i];
        return meta_gradient(problem, moved, loop).loss;
      };
      const double h = 1e-3, slope = (at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h);
      const double length = std::sqrt(dot(g.values, g.values));
      require(length > 1e-3 && std::abs(slope - dot(g.values, u)) < 1e-8 * std::max(1.0, length),
              "the meta-gradient is not the derivative of the loss");
    }
}

void check_curvature(const Problem& problem, const std::vector<double>& theta) {
  innerloop_store* store = store_of(problem, theta);
  const std::vector<double> u = vector(kArena), v = vector(kArena);
  const auto product = [&](const std::vector<double>& along) {
    innerloop_store* vector_store = store_of(problem, along);
    std::vector<double> g(kArena), h(kArena);
    void* g_blocks[kTensors] = {nullptr, nullptr, nullptr, nullptr, g.data() + kWeights};
    void* h_blocks[kTensors] = {nullptr, nullptr, nullptr, nullptr, h.data() + kWeights};
    innerloop_product_result out{0, {g.data(), g_blocks}, {h.data(), h_blocks}};
    ok(device->hessian_vector_product(store, problem.rows, vector_store, &out, &failure));
    device->free_store(vector_store);
    return h;
  };
  const std::vector<double> hu = product(u), hv = product(v);
  print(hu);
  require(std::abs(dot(u, hv)) > 1e-3 && std::abs(dot(u, hv) - dot(v, hu)) < 1e-12 * std::abs(dot(u, hv)) + 1e-13,
          "the Hessian is not symmetric");
  device->free_store(store);
}

void check_training(const Problem& problem, const std::vector<double>& theta) {
  const uint8_t fast[kTensors] = {1, 1, 1, 1, 0};
  const double none[kTensors] = {};
  innerloop_loop loop{};
  loop.steps = 2, loop.order = 2, loop.rate = 0.1, loop.fast = fast, loop.prior = loop.prior_factor = -1;
  const innerloop_optimizer adam{1, 0.02, 0, 0.9, 0.999, 1e-8, 0, none, none, none};
  innerloop_store* store = store_of(problem, theta);
  std::vector<double> losses(kTasks), trained(kArena);
  innerloop_step_result out{0, 0, losses.data(), nullptr};
  double first = 0;
  for (int step = 0; step < 60; ++step) {
    ok(device->train_step(store, problem.batch, &loop, 0, &adam, nullptr, &out, &failure));
    if (step == 0) first = out.loss;
  }
  require(out.loss < 0.5 * first, "training does not learn");
  innerloop_state state{trained.data(), nullptr, nullptr, nullptr, 0};
  ok(device->read_store(store, &state, &failure));
  require(state.step == 60, "a step is not counted");
  print(trained);
  // A step whose loss is not finite names the task and changes nothing.
  loop.rate = 1e200;
  require(device->train_step(store, problem.batch, &loop, 0, &adam, nullptr, &out, &failure) == INNERLOOP_DIVERGED &&
              failure.task == 0,
          "a divergence is not reported");
  std::vector<double> after(kArena);
  state.values = after.data();
  ok(device->read_store(store, &state, &failure));
  require(after == trained && state.step == 60, "a step that diverged changed the parameters");
  loop.solver = 2;
  require(device->check_loop(problem.model, &loop, &failure) == INNERLOOP_UNSUPPORTED, "laplace is not refused");
  device->free_store(store);
}

}  // namespace

int main(int, char** arguments) {
  void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  require(library != nullptr, "the plugin does not load");
  const auto entry =
      reinterpret_cast<decltype(&innerloop_device_interface)>(dlsym(library, "innerloop_device_interface"));
  require(entry != nullptr, "the plugin has no entry");
  require(entry(INNERLOOP_INTERFACE_VERSION + 1, &device, &failure) == INNERLOOP_INTERFACE &&
              failure.found == INNERLOOP_INTERFACE_VERSION,
          "another version of the interface is not refused");
  ok(entry(INNERLOOP_INTERFACE_VERSION, &device, &failure));
  const Problem problem;
  const std::vector<double> theta = vector(kArena);
  check_gradients(problem, theta);
  check_curvature(problem, theta);
  check_training(problem, theta);
  return 0;
}
