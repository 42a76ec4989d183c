#include "packed_adapted.h"

#include <cstring>

#include "../graphs/graph.h"
#include "../layers/layer.h"
#include "../runtime/errors.h"

namespace innerloop {
namespace {

// The bytes begin with this number, which names the layout and its version; the size of the scalar follows.
constexpr std::uint32_t kMagic = 0x33504c49;  // "ILP3"
// No task has more support rows than this, and sizes that follow from their number stay far from overflow.
constexpr std::uint64_t kMostSupport = std::uint64_t{1} << 31;

struct Writer {
  std::vector<std::byte> bytes;
  template <class X>
  void put(const X* values, std::size_t n) {
    const std::size_t at = bytes.size();
    bytes.resize(at + n * sizeof(X));
    if (n > 0) std::memcpy(bytes.data() + at, values, n * sizeof(X));
  }
  void count(std::uint64_t n) { put(&n, 1); }
  template <class X>
  void array(const std::vector<X>& values) {
    count(values.size());
    put(values.data(), values.size());
  }
};

constexpr const char* kForeign = "the adapted parameters belong to another model, or are damaged";

struct Reader {
  std::span<const std::byte> bytes;
  template <class X>
  X get() {
    X x;
    require(bytes.size() >= sizeof(X), kForeign);
    std::memcpy(&x, bytes.data(), sizeof(X));
    bytes = bytes.subspan(sizeof(X));
    return x;
  }
  // Reads an array, whose length must be `expected` or, where that is negative, at most what is left of the bytes.
  template <class X>
  std::vector<X> array(Index expected) {
    const auto n = get<std::uint64_t>();
    require(n <= bytes.size() / sizeof(X) && (expected < 0 || n == static_cast<std::uint64_t>(expected)), kForeign);
    std::vector<X> values(n);
    if (n > 0) std::memcpy(values.data(), bytes.data(), n * sizeof(X));
    bytes = bytes.subspan(n * sizeof(X));
    return values;
  }
};

template <class T>
Index kept_size(const Graph<T>& program, int node, Index support) {
  const auto extent = [&](Index dim) { return dim == kSupport ? support : dim; };
  const Index rows = extent(program.nodes[node].rows), columns = extent(program.nodes[node].columns);
  require(rows >= 0 && columns >= 0, kForeign);
  return rows * columns;
}

template <class T>
void read_posterior(Reader& reader, Adapted<T>& adapted, const Model<T>& model) {
  const Index d = model.last_layer ? model.last_layer->I + 1 : 0;
  adapted.mode = reader.array<double>(-1);
  adapted.factor = reader.array<double>(-1);
  const auto factor = static_cast<Index>(adapted.factor.size());
  const auto dual = reader.get<std::uint64_t>();
  require(dual <= 1, kForeign);
  const auto mode = static_cast<Index>(adapted.mode.size());
  require(mode == (factor > 0 || dual == 1 ? d : 0), kForeign);
  if (dual == 0) return require(factor == 0 || factor == d * d, kForeign);
  const auto rows = reader.get<std::uint64_t>();
  require(d > 0 && rows < static_cast<std::uint64_t>(d) && factor == static_cast<Index>(rows * rows), kForeign);
  DualPosterior& posterior = adapted.dual.emplace();
  posterior.rows = static_cast<Index>(rows);
  posterior.G = reader.array<double>(posterior.rows * d);
  const auto tensor = [&](Index size) {
    const auto t = reader.get<std::int32_t>();
    require(t < 0 || (t < static_cast<std::int32_t>(model.tensors.size()) && model.tensors[t].input < 0 &&
                      model.tensors[t].size == size && !adapted.fast[t]),
            kForeign);
    return t;
  };
  posterior.prior.log_precisions = tensor(d);
  posterior.prior.factor = tensor(d * d);
  require(posterior.prior.log_precisions >= 0, kForeign);
}

}  // namespace

template <class T>
std::vector<std::byte> pack_adapted(const Adapted<T>& adapted) {
  Writer writer;
  const std::uint32_t head[2] = {kMagic, sizeof(T)};
  writer.put(head, 2);
  writer.array(adapted.fast);
  for (std::size_t t = 0; t < adapted.fast.size(); ++t) {
    if (!adapted.fast[t]) continue;
    writer.array(adapted.dense[t]);
    writer.array(adapted.rows[t]);
    writer.array(adapted.blocks[t]);
  }
  writer.count(static_cast<std::uint64_t>(adapted.support));
  writer.count(adapted.kept.size());
  for (const auto& values : adapted.kept) writer.array(values);
  writer.array(adapted.mode);
  writer.array(adapted.factor);
  writer.count(adapted.dual ? 1 : 0);
  if (!adapted.dual) return std::move(writer.bytes);
  writer.count(static_cast<std::uint64_t>(adapted.dual->rows));
  writer.array(adapted.dual->G);
  const std::int32_t prior[2] = {adapted.dual->prior.log_precisions, adapted.dual->prior.factor};
  writer.put(prior, 2);
  return std::move(writer.bytes);
}

template <class T>
Adapted<T> unpack_adapted(std::shared_ptr<const Model<T>> model, const InnerLoop<T>& inner,
                          std::span<const std::byte> bytes) {
  Reader reader{bytes};
  require(reader.get<std::uint32_t>() == kMagic && reader.get<std::uint32_t>() == sizeof(T), kForeign);
  const std::size_t tensors = model->tensors.size();
  Adapted<T> adapted;
  adapted.fast = reader.array<std::uint8_t>(static_cast<Index>(tensors));
  require(adapted.fast == inner.fast, kForeign);
  adapted.dense.resize(tensors), adapted.rows.resize(tensors), adapted.blocks.resize(tensors);
  for (std::size_t t = 0; t < tensors; ++t) {
    if (!adapted.fast[t]) continue;
    const TensorInfo& tensor = model->tensors[t];
    const bool is_table = tensor.input >= 0;
    adapted.dense[t] = reader.array<T>(is_table ? 0 : tensor.size);
    adapted.rows[t] = reader.array<std::int32_t>(is_table ? -1 : 0);
    const std::vector<std::int32_t>& rows = adapted.rows[t];
    for (std::size_t r = 0; r < rows.size(); ++r)
      require(rows[r] >= 0 && rows[r] < tensor.shape[0] && (r == 0 || rows[r - 1] < rows[r]), kForeign);
    adapted.blocks[t] = reader.array<T>(static_cast<Index>(rows.size()) * tensor.width);
  }
  const auto support = reader.get<std::uint64_t>();
  require(support < kMostSupport, kForeign);
  adapted.support = static_cast<Index>(support);
  const bool replaced = inner.graph && inner.graph->spec.starts.empty();
  const auto kept = reader.get<std::uint64_t>();
  require(kept == (replaced ? inner.graph->kept.size() : 0), kForeign);
  for (std::uint64_t i = 0; i < kept; ++i)
    adapted.kept.push_back(reader.array<T>(kept_size(*inner.graph, inner.graph->kept[i], adapted.support)));
  if (replaced) adapted.graph = inner.graph;
  read_posterior(reader, adapted, *model);
  require(reader.bytes.empty(), kForeign);
  adapted.model = std::move(model);
  return adapted;
}

#define INNERLOOP_INSTANTIATE(T)                                   \
  template std::vector<std::byte> pack_adapted(const Adapted<T>&); \
  template Adapted<T> unpack_adapted(std::shared_ptr<const Model<T>>, const InnerLoop<T>&, std::span<const std::byte>);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
