#include "partial_gradient.h"

#include <cstring>

#include "gradient_sums.h"

namespace innerloop {

template <class T>
PartialGradient<T>::PartialGradient(const Store<T>& parameters, const InnerLoop<T>& inner, const Batch<T>& batch,
                                    Direction direction, int threads)
    : parameters_(parameters),
      threads_(threads),
      plan_(std::make_unique<Plan<T>>(*parameters.model, inner, batch, threads, true)),
      sums_(std::make_unique<GradientSums<T>>(*plan_, direction)) {}

template <class T>
PartialGradient<T>::~PartialGradient() = default;

template <class T>
void PartialGradient<T>::add(Index part, Index parts, const std::function<void()>& poll) {
  const Index from = sums_->first_chunk(part, parts), to = sums_->first_chunk(part + 1, parts);
  const SharedParameters<T> shared(*plan_, parameters_.values->data(), Passes::meta_gradient);
  ThreadPool::instance().parallel_for(to - from, threads_, [&](Index c) { sums_->add_chunk(from + c, shared, poll); });
}

template <class T>
template <class F>
void PartialGradient<T>::each_span(Index part, Index parts, const F& visit) {
  sums_->each_span(sums_->first_chunk(part, parts), sums_->first_chunk(part + 1, parts), visit);
}

template <class T>
std::size_t PartialGradient<T>::size(Index part, Index parts) {
  std::size_t size = 0;
  each_span(part, parts, [&](const void*, std::size_t bytes) { size += bytes; });
  return size;
}

template <class T>
std::vector<std::byte> PartialGradient<T>::bytes(Index part, Index parts) {
  std::vector<std::byte> out(size(part, parts));
  std::byte* to = out.data();
  each_span(part, parts, [&](const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  });
  return out;
}

template <class T>
void PartialGradient<T>::take(Index part, Index parts, const std::byte* bytes) {
  each_span(part, parts, [&](void* to, std::size_t count) {
    if (count > 0) std::memcpy(to, bytes, count);
    bytes += count;
  });
}

template <class T>
MetaGradient<T> PartialGradient<T>::reduce() {
  return sums_->reduce(threads_);
}

template class PartialGradient<float>;
template class PartialGradient<double>;

}  // namespace innerloop
