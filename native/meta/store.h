#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "../model/model.h"
#include "../runtime/aligned.h"

namespace innerloop {

struct DeviceStore;

// Parameters (or any vector in their layout) and, once an optimizer has run on them, its state.
template <class T>
struct Store {
  explicit Store(std::shared_ptr<const Model<T>> m)
      : model(std::move(m)), values(std::make_shared<Aligned<T>>(model->arena_size)) {}

  std::shared_ptr<const Model<T>> model;
  std::shared_ptr<Aligned<T>> values;  // [arena_size]

  // Optimizer state; empty until the first update.
  Aligned<T> first_moment, second_moment;          // [arena_size]
  std::vector<std::vector<std::int64_t>> touched;  // by tensor: step at which an embedding row was last updated
  std::int64_t step = 0;

  // Jobs read the values shared; an update is made exclusively, and only for as long as it takes. Whoever makes one
  // holds `updating` too, from before it reads what the update is made of.
  mutable std::shared_timed_mutex mutex;
  mutable std::timed_mutex updating;
  mutable std::shared_ptr<DeviceStore> device;  // its counterpart (device/mirror.h); whoever wrote last has the values
};

}  // namespace innerloop
