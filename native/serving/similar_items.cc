#include "similar_items.h"

#include <algorithm>
#include <cmath>

#include "../runtime/thread_pool.h"

namespace innerloop {
namespace {

// Rows of one piece of work: some milliseconds, between which it is checked whether to abort.
constexpr Index kPiece = Index{1} << 15;

template <class T>
double product(const T* a, const T* b, Index width) {
  double sum = 0;
  for (Index k = 0; k < width; ++k) sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return sum;
}

}  // namespace

template <class T>
std::vector<Ranked> similar_items(const ItemFeatures<T>& features, Index row, Index count, int threads,
                                  const std::function<void()>& poll) {
  const Index width = features.width, pieces = (features.items + kPiece - 1) / kPiece;
  const auto vector_of = [&](Index item) { return features.values.data() + item * width; };
  const T* const own = vector_of(row);
  const double length = std::sqrt(product(own, own, width));
  std::vector<Best> best(static_cast<std::size_t>(pieces), Best(count));
  ThreadPool::instance().parallel_for(
      pieces, ThreadPool::threads_for(threads, features.items * width), [&](Index piece) {
        poll();
        const Index to = std::min(features.items, (piece + 1) * kPiece);
        for (Index item = std::max<Index>(1, piece * kPiece); item < to; ++item) {
          if (item == row) continue;
          const T* const other = vector_of(item);
          const double lengths = length * std::sqrt(product(other, other, width));
          const double cosine = lengths > 0 ? std::clamp(product(own, other, width) / lengths, -1.0, 1.0) : 0;
          best[piece].offer({cosine, cosine, static_cast<std::int32_t>(item)});
        }
      });
  for (Index piece = 1; piece < pieces; ++piece) best[0].offer(best[piece]);
  return std::move(best[0]).sorted();
}

template std::vector<Ranked> similar_items(const ItemFeatures<float>&, Index, Index, int, const std::function<void()>&);
template std::vector<Ranked> similar_items(const ItemFeatures<double>&, Index, Index, int,
                                           const std::function<void()>&);

}  // namespace innerloop
