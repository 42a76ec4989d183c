#include "ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "../layers/layer.h"
#include "../plan/work.h"
#include "../runtime/thread_pool.h"
#include "best.h"

namespace innerloop {
namespace {

// Rows scored at a time: their features stay in the cache for the next user. Users that share them, and rows of one
// piece of work where users are too few for all threads.
constexpr Index kBlock = 1024, kUsers = 16, kRange = 32 * kBlock;
// Rows that a model runs on in one call; between two calls it is checked whether to abort.
constexpr Index kCalled = 8 * kBlock;

template <class T>
struct Candidates {
  explicit Candidates(const Ranking<T>& ranking)
      : rows(ranking.by_among      ? ranking.among.data()
             : ranking.pool->whole ? nullptr
                                   : ranking.pool->rows.data()),
        size(ranking.by_among      ? static_cast<Index>(ranking.among.size())
             : ranking.pool->whole ? std::max<Index>(0, ranking.pool->items - 1)
                                   : static_cast<Index>(ranking.pool->rows.size())) {}
  std::int32_t operator[](Index i) const { return rows ? rows[i] : static_cast<std::int32_t>(i + 1); }
  const std::int32_t* rows;  // null: all from 1
  Index size;
};

template <class T>
void offer_scored(const Ranking<T>& ranking, const RankedUser<T>& user, std::int32_t row, double score, Best& best) {
  const ItemPool& pool = *ranking.pool;
  if (!pool.offset.empty()) score += pool.offset[row] + user.bias;
  const double key = pool.boost.empty() ? score : score + pool.boost[row];
  if (best.full() && key < best.worst().key) return;
  if (std::binary_search(user.exclude.begin(), user.exclude.end(), row)) return;
  best.offer({key, score, row});
}

// The last layer of one user.
template <class T>
struct LastLayer {
  const T *weight, *bias;
  LastLayer(const Ranking<T>& ranking, const Adapted<T>& adapted, const T* parameters) {
    const auto values = [&](int tensor) {
      return adapted.fast[tensor] ? adapted.dense[tensor].data() : parameters + ranking.model->tensors[tensor].offset;
    };
    weight = values(ranking.model->last_layer->weight);
    bias = values(ranking.model->last_layer->bias);
  }
};

// Few users are scored one by one.
constexpr Index kFewUsers = 4;

// The last layers of up to kUsers users side by side: outputs of a block of items for all of them are one matrix
// product, which adds in another order than a last layer does. They only tell which items cannot be among the best,
// whatever the rounding of both; those that can are scored as the last layer itself does it.
template <class T>
class SideBySide {
 public:
  SideBySide(const Ranking<T>& ranking, const std::vector<LastLayer<T>>& layers)
      : width_(ranking.features->width), weights_(static_cast<std::size_t>(width_ * kUsers), T(0)) {
    for (std::size_t user = 0; user < kUsers; ++user) bars_[user] = user < layers.size() ? -kInfinity : kInfinity;
    // Either sum of n products differs from the exact one by at most n u / (1 − n u) times the sum of their absolute
    // values (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), which Cauchy and Schwarz bound; tiny
    // numbers may be flushed to 0. Twice as much for what this computation rounds itself.
    const double n = static_cast<double>(width_ + 2), u = static_cast<double>(std::numeric_limits<T>::epsilon()) / 2;
    const double tiny = n * static_cast<double>(std::numeric_limits<T>::min());
    for (std::size_t user = 0; user < layers.size(); ++user) {
      double squares = 0;
      for (Index k = 0; k < width_; ++k) {
        const T w = layers[user].weight[k];
        weights_[k * kUsers + static_cast<Index>(user)] = w;
        squares += static_cast<double>(w) * static_cast<double>(w);
      }
      biases_[user] = layers[user].bias[0];
      const double most = std::abs(static_cast<double>(biases_[user])) + ranking.features->longest * std::sqrt(squares);
      // Sums that may overflow tell nothing.
      if (!(most * n < static_cast<double>(std::numeric_limits<T>::max()) / 4) || !(n * u < 0.1)) is_sound_ = false;
      slack_[user] = 4 * (n * u / (1 - n * u) * most + tiny);
    }
  }

  bool is_sound() const { return is_sound_; }

  // No output at or below the user's bar, as score() gives it, makes a score above `least`.
  void raise(std::size_t user, double least, double mean) {
    const T bar = static_cast<T>(least - mean - slack_[user]);
    bars_[user] = std::nextafter(std::nextafter(bar, -kInfinity), -kInfinity);
  }

  void score(Index rows, const T* x, T* outputs) const {
    kernels<T>().gemm_nn(rows, kUsers, width_, x, width_, weights_.data(), kUsers, biases_, false, outputs, kUsers);
  }

  bool may_be_best(const T* outputs) const {
    int any = 0;
    for (Index user = 0; user < kUsers; ++user) any |= outputs[user] > bars_[user];
    return any != 0;
  }
  T bar(std::size_t user) const { return bars_[user]; }
  bool may_be_best(const T* outputs, std::size_t user) const { return outputs[user] > bars_[user]; }

 private:
  static constexpr T kInfinity = std::numeric_limits<T>::infinity();
  Index width_;
  Aligned<T> weights_;  // [width, kUsers]
  T biases_[kUsers] = {};
  T bars_[kUsers];  // of users that are not there no output is above them
  double slack_[kUsers] = {};
  bool is_sound_ = true;
};

// Scores of a block of rows x for several users.
template <class T>
void scan_together(const Ranking<T>& ranking, const Candidates<T>& candidates, const std::vector<LastLayer<T>>& layers,
                   SideBySide<T>& together, Index first_user, Index at, Index n, const T* x, T* outputs, Best* best) {
  const Kernels<T>& kernels = innerloop::kernels<T>();
  const Index width = ranking.features->width;
  together.score(n, x, outputs);
  for (Index i = 0; i < n; ++i) {
    const T* const row = outputs + i * kUsers;
    if (!together.may_be_best(row)) continue;
    for (std::size_t u = 0; u < layers.size(); ++u) {
      if (!together.may_be_best(row, u)) continue;
      T output;
      kernels.gemm_nn(1, 1, width, x + i * width, width, layers[u].weight, 1, layers[u].bias, false, &output, 1);
      offer_scored(ranking, ranking.users[first_user + static_cast<Index>(u)], candidates[at + i],
                   static_cast<double>(output) + ranking.scoring.mean, best[u]);
      if (best[u].full()) together.raise(u, best[u].worst().score, ranking.scoring.mean);
    }
  }
}

// Scores of candidates [from, to), as the last layer itself computes them.
template <class T>
void scan(const Ranking<T>& ranking, const Candidates<T>& candidates, const T* parameters, Index first_user,
          Index last_user, Index from, Index to, Best* best) {
  const Kernels<T>& kernels = innerloop::kernels<T>();
  const ItemFeatures<T>& features = *ranking.features;
  const Index width = features.width;
  const bool is_plain = ranking.pool->offset.empty() && ranking.pool->boost.empty();
  std::vector<LastLayer<T>> layers;
  for (Index u = first_user; u < last_user; ++u) layers.emplace_back(ranking, *ranking.users[u].adapted, parameters);
  Aligned<T> gathered(candidates.rows ? static_cast<std::size_t>(std::min(kBlock, to - from) * width) : 0);
  SideBySide<T> together(ranking, layers);
  const bool skips = is_plain && together.is_sound(), share = skips && last_user - first_user >= kFewUsers;
  Aligned<T> outputs(static_cast<std::size_t>(share ? kBlock * kUsers : kBlock));
  for (Index at = from; at < to; at += kBlock) {
    const Index n = std::min(kBlock, to - at);
    const T* x = features.values.data() + (at + 1) * width;
    if (candidates.rows) {
      for (Index i = 0; i < n; ++i)
        std::copy_n(features.values.data() + candidates.rows[at + i] * width, width, gathered.data() + i * width);
      x = gathered.data();
    }
    if (share) {
      scan_together(ranking, candidates, layers, together, first_user, at, n, x, outputs.data(), best);
      continue;
    }
    for (Index u = first_user; u < last_user; ++u) {
      const LastLayer<T>& layer = layers[u - first_user];
      kernels.gemm_nn(n, 1, width, x, width, layer.weight, 1, layer.bias, false, outputs.data(), 1);
      Best& kept = best[u - first_user];
      for (Index i = 0; i < n;) {
        // Sums with one number keep the order of outputs: most blocks hold nothing better, and are passed over whole.
        // Equal ones come later in the catalogue, and rank below.
        constexpr Index kStep = 64;
        const Index end = std::min(n, i + kStep);
        if (skips && kept.full()) {
          const std::size_t user = static_cast<std::size_t>(u - first_user);
          together.raise(user, kept.worst().score, ranking.scoring.mean);
          const T bar = together.bar(user);
          int any = 0;
          for (Index j = i; j < end; ++j) any |= outputs[j] > bar;
          if (!any) {
            i = end;
            continue;
          }
        }
        for (; i < end; ++i)
          offer_scored(ranking, ranking.users[u], candidates[at + i],
                       static_cast<double>(outputs[i]) + ranking.scoring.mean, kept);
      }
    }
  }
}

template <class T>
std::vector<std::vector<Ranked>> rank_by_features(const Ranking<T>& ranking, const T* parameters, int threads,
                                                  const std::function<void()>& poll) {
  const Candidates<T> candidates(ranking);
  const Index users = static_cast<Index>(ranking.users.size());
  const Index groups = (users + kUsers - 1) / kUsers;
  const bool split = groups < 4 * threads;
  const Index ranges = split ? std::max<Index>(1, (candidates.size + kRange - 1) / kRange) : 1;
  std::vector<Best> best(static_cast<std::size_t>(ranges * users), Best(ranking.count));
  ThreadPool::instance().parallel_for(
      ranges * groups, ThreadPool::threads_for(threads, candidates.size * users * ranking.features->width),
      [&](Index unit) {
        poll();
        const Index range = unit / groups, group = unit % groups;
        const Index first = group * kUsers, last = std::min(users, first + kUsers);
        const Index from = split ? range * kRange : 0;
        const Index to = split ? std::min(candidates.size, from + kRange) : candidates.size;
        scan(ranking, candidates, parameters, first, last, from, to, best.data() + range * users + first);
      });
  std::vector<std::vector<Ranked>> lists;
  for (Index u = 0; u < users; ++u) {
    Best& whole = best[u];
    for (Index range = 1; range < ranges; ++range) whole.offer(best[range * users + u]);
    lists.push_back(std::move(whole).sorted());
  }
  return lists;
}

template <class T>
std::vector<Ranked> rank_by_model(const Ranking<T>& ranking, const RankedUser<T>& user, const Predict<T>& predict) {
  const Candidates<T> candidates(ranking);
  Best best(ranking.count);
  if (candidates.size == 0) return {};
  std::vector<std::int32_t> all;
  if (!candidates.rows) {
    all.resize(static_cast<std::size_t>(candidates.size));
    std::iota(all.begin(), all.end(), 1);
  }
  const std::span<const std::int32_t> rows(candidates.rows ? candidates.rows : all.data(),
                                           static_cast<std::size_t>(candidates.size));
  InnerLoop<T> inner = ranking.inner;
  inner.fast = user.adapted->fast;
  inner.graph = user.adapted->graph;
  const bool moderated = ranking.scoring.moderated;
  const Prediction<T> wanted{.before = true, .variance = moderated, .start = user.adapted.get()};
  for (Index at = 0; at < candidates.size; at += kCalled) {
    const auto some = rows.subspan(static_cast<std::size_t>(at), std::min(kCalled, candidates.size - at));
    const Index n = static_cast<Index>(some.size());
    const QueryOutputs<T> outputs = predict(*for_items(*user.one, some, ranking.item_sides), inner, wanted);
    const Index width = static_cast<Index>(outputs.before.size()) / n;
    for (Index i = 0; i < n; ++i) {
      double score = static_cast<double>(outputs.before[i * width]) + ranking.scoring.mean;
      if (moderated) score /= std::sqrt(1 + std::numbers::pi / 8 * static_cast<double>(outputs.variance[i]));
      offer_scored(ranking, user, some[i], score, best);
    }
  }
  return std::move(best).sorted();
}

}  // namespace

template <class T>
std::vector<std::vector<Ranked>> rank_items(const Ranking<T>& ranking, const T* parameters, const Predict<T>& predict,
                                            int threads, const std::function<void()>& poll) {
  if (ranking.features) return rank_by_features(ranking, parameters, threads, poll);
  std::vector<std::vector<Ranked>> lists;
  for (const RankedUser<T>& user : ranking.users) lists.push_back(rank_by_model(ranking, user, predict));
  return lists;
}

template <class T>
Index resolve_among(Ranking<T>& ranking) {
  if (!ranking.by_among) return -1;
  std::vector<std::int32_t>& among = ranking.among;
  if (const NamedItems& named = ranking.named; named.index) {
    among = named.index->find(named.ids);
    const auto unknown = std::find(among.begin(), among.end(), 0);
    if (unknown != among.end() && !named.skip) return unknown - among.begin();
    among.erase(std::remove(unknown, among.end(), 0), among.end());
    std::sort(among.begin(), among.end());
    among.erase(std::unique(among.begin(), among.end()), among.end());
  }
  const ItemPool& pool = *ranking.pool;
  if (!pool.whole)
    std::erase_if(among,
                  [&](std::int32_t row) { return !std::binary_search(pool.rows.begin(), pool.rows.end(), row); });
  return -1;
}

template <class T>
Index most_candidates(const Ranking<T>& ranking) {
  return ranking.named.index ? static_cast<Index>(ranking.named.ids.lengths.size()) : Candidates<T>(ranking).size;
}

template <class T>
double work_of_ranking(const Ranking<T>& ranking) {
  double row = 0;  // of one item for all users
  for (const RankedUser<T>& user : ranking.users)
    row += ranking.features ? static_cast<double>(ranking.features->width)
                            : work_of(ranking.inner, *user.one, Wanted::outputs);
  return row * static_cast<double>(most_candidates(ranking));
}

template Index resolve_among(Ranking<float>&);
template Index resolve_among(Ranking<double>&);
template Index most_candidates(const Ranking<float>&);
template Index most_candidates(const Ranking<double>&);

template double work_of_ranking(const Ranking<float>&);
template double work_of_ranking(const Ranking<double>&);
template std::vector<std::vector<Ranked>> rank_items(const Ranking<float>&, const float*, const Predict<float>&, int,
                                                     const std::function<void()>&);
template std::vector<std::vector<Ranked>> rank_items(const Ranking<double>&, const double*, const Predict<double>&, int,
                                                     const std::function<void()>&);

}  // namespace innerloop
