#include "mirror.h"

#include "../batch/batch.h"
#include "../meta/store.h"

namespace innerloop {
namespace {

// f(functions of the plugin) with its failures as exceptions.
template <class F>
void device_call(const Plugin& plugin, const F& f) {
  innerloop_failure failure{};
  failure.task = -1;
  Plugin::check(f(plugin.functions(), &failure), failure);
}

std::vector<std::int32_t> integers(const std::vector<int>& from) { return {from.begin(), from.end()}; }

}  // namespace

template <class T>
void attach(Model<T>& model, std::shared_ptr<const Plugin> plugin) {
  std::vector<innerloop_input> inputs;
  for (const InputSpec& input : model.spec.inputs)
    inputs.push_back({static_cast<int32_t>(input.kind), static_cast<int32_t>(input.pooling), input.size});
  std::vector<innerloop_tensor> tensors;
  for (const TensorInfo& t : model.tensors) tensors.push_back({t.offset, t.size, t.width, t.input});
  std::vector<std::vector<std::int32_t>> lists;
  lists.reserve(2 * model.spec.layers.size());
  std::vector<innerloop_layer> layers;
  for (const LayerSpec& layer : model.spec.layers) {
    lists.push_back(integers(layer.in));
    lists.push_back(integers(layer.tensors));
    layers.push_back({static_cast<int32_t>(layer.kind), layer.out, static_cast<int32_t>(layer.in.size()),
                      static_cast<int32_t>(layer.tensors.size()), static_cast<int32_t>(layer.options.size()),
                      lists[lists.size() - 2].data(), lists.back().data(), layer.options.data()});
  }
  std::vector<innerloop_head> heads;
  for (const HeadSpec& head : model.spec.heads)
    heads.push_back({static_cast<int32_t>(head.kind), static_cast<int32_t>(head.outputs), head.weight});
  const innerloop_model_spec spec{sizeof(T),
                                  static_cast<int32_t>(inputs.size()),
                                  static_cast<int32_t>(tensors.size()),
                                  static_cast<int32_t>(layers.size()),
                                  static_cast<int32_t>(model.spec.slots.size()),
                                  static_cast<int32_t>(heads.size()),
                                  model.spec.output,
                                  inputs.data(),
                                  tensors.data(),
                                  layers.data(),
                                  model.spec.slots.data(),
                                  heads.data(),
                                  model.dense_size,
                                  model.arena_size};
  innerloop_model* handle = nullptr;
  device_call(*plugin, [&](auto& device, auto* failure) { return device.create_model(&spec, &handle, failure); });
  model.device = std::make_shared<DeviceModel>(std::move(plugin), handle);
}

// ------------------------------------------------------------------------------------------------ parameters

namespace {

std::vector<std::int64_t> joined(const std::vector<std::vector<std::int64_t>>& touched) {
  std::vector<std::int64_t> all;
  for (const auto& rows : touched) all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

}  // namespace

template <class T>
innerloop_store* on_device(const Store<T>& store) {
  const std::shared_ptr<DeviceModel>& model = store.model->device;
  const std::lock_guard lock(model->mutex);
  if (!store.device) {
    innerloop_store* handle = nullptr;
    device_call(*model->plugin,
                [&](auto& device, auto* failure) { return device.create_store(model->handle, &handle, failure); });
    store.device = std::make_shared<DeviceStore>(model, handle);
  }
  if (!store.device->host_is_newer) return store.device->handle;
  std::vector<std::int64_t> touched = joined(store.touched);
  const bool has_moments = !store.first_moment.empty();
  // Only read.
  innerloop_state state{store.values->data(), has_moments ? const_cast<T*>(store.first_moment.data()) : nullptr,
                        has_moments ? const_cast<T*>(store.second_moment.data()) : nullptr,
                        has_moments ? touched.data() : nullptr, store.step};
  device_call(*model->plugin,
              [&](auto& device, auto* failure) { return device.write_store(store.device->handle, &state, failure); });
  store.device->host_is_newer = false;
  return store.device->handle;
}

template <class T>
void updated_on_device(Store<T>& store) {
  store.device->device_is_newer = true;
}

template <class T>
void updated_here(Store<T>& store) {
  if (store.device) store.device->host_is_newer = true;
}

template <class T>
void bring_home(const Store<T>& store) {
  if (!store.device) return;
  const std::lock_guard lock(store.model->device->mutex);
  if (!store.device->device_is_newer) return;
  // What is read is the same for everybody who reads it now; only where it lies is new.
  Store<T>& here = const_cast<Store<T>&>(store);
  const Model<T>& model = *store.model;
  const std::size_t size = static_cast<std::size_t>(model.arena_size);
  here.first_moment.resize(size), here.second_moment.resize(size);
  std::size_t rows = 0;
  for (const TensorInfo& t : model.tensors) rows += t.input >= 0 ? static_cast<std::size_t>(t.shape[0]) : 0;
  std::vector<std::int64_t> touched(rows);
  innerloop_state state{here.values->data(), here.first_moment.data(), here.second_moment.data(), touched.data(), 0};
  device_call(*model.device->plugin,
              [&](auto& device, auto* failure) { return device.read_store(store.device->handle, &state, failure); });
  here.step = state.step;
  here.touched.assign(model.tensors.size(), {});
  auto next = touched.begin();
  for (std::size_t t = 0; t < model.tensors.size(); ++t) {
    if (model.tensors[t].input < 0) continue;
    here.touched[t].assign(next, next + model.tensors[t].shape[0]);
    next += model.tensors[t].shape[0];
  }
  here.device->device_is_newer = false;
}

// ------------------------------------------------------------------------------------------------ rows

namespace {

template <class T>
innerloop_column column_of(const typename Frame<T>::Column& column) {
  if (column.kind != InputKind::dense) return {};
  return {column.dense.data(), static_cast<int64_t>(column.dense.size()) / column.width, column.width};
}

template <class T>
std::shared_ptr<DeviceFrame> frame_on_device(const Frame<T>& frame, const std::shared_ptr<DeviceModel>& model) {
  // Models may share a frame, and each has a mutex of its own.
  static std::mutex frames;
  const std::lock_guard lock(frames);
  if (frame.device && frame.device->model == model) return frame.device;
  std::vector<innerloop_column> columns;
  for (const auto& column : frame.columns) columns.push_back(column_of<T>(column));
  innerloop_frame* handle = nullptr;
  device_call(*model->plugin, [&](auto& device, auto* failure) {
    return device.create_frame(model->handle, columns.data(), &handle, failure);
  });
  return frame.device = std::make_shared<DeviceFrame>(model, handle);
}

}  // namespace

template <class T>
innerloop_batch* on_device(const Batch<T>& batch, int threads) {
  const std::shared_ptr<DeviceModel>& model = batch.model->device;
  const BatchIndex<T>& index = batch.index_with_rows(threads);
  const std::lock_guard lock(model->mutex);
  if (batch.device) return batch.device->handle;
  std::vector<innerloop_column> own;
  own.reserve(batch.overrides.size());
  std::vector<innerloop_batch_input> inputs;
  for (std::size_t i = 0; i < batch.model->spec.inputs.size(); ++i) {
    innerloop_batch_input input{};
    if (batch.model->spec.inputs[i].kind == InputKind::dense) {
      const auto& column = batch.column(i);
      input.side = batch.sides[column.side].data();
      if (&column != &batch.frame->columns[i]) input.own = &own.emplace_back(column_of<T>(column));
    } else {
      const auto& from = index.inputs[i];
      input = {nullptr,
               nullptr,
               from.entry_begin.data(),
               from.local.data(),
               from.unique_begin.data(),
               from.unique.data(),
               from.unique_batch.data(),
               from.rows.data(),
               static_cast<int64_t>(from.rows.size())};
    }
    inputs.push_back(input);
  }
  const innerloop_batch_spec spec{batch.tasks(),
                                  batch.begin.data(),
                                  inputs.data(),
                                  batch.labels.empty() ? nullptr : batch.labels.data(),
                                  batch.row_weights.empty() ? nullptr : batch.row_weights.data(),
                                  batch.weights.empty() ? nullptr : batch.weights.data()};
  const std::shared_ptr<DeviceFrame> frame = frame_on_device(*batch.frame, model);
  innerloop_batch* handle = nullptr;
  device_call(*model->plugin,
              [&](auto& device, auto* failure) { return device.create_batch(frame->handle, &spec, &handle, failure); });
  batch.device = std::make_shared<DeviceBatch>(frame, handle);
  return handle;
}

#define INNERLOOP_INSTANTIATE(T)                                  \
  template void attach(Model<T>&, std::shared_ptr<const Plugin>); \
  template innerloop_store* on_device(const Store<T>&);           \
  template innerloop_batch* on_device(const Batch<T>&, int);      \
  template void updated_on_device(Store<T>&);                     \
  template void updated_here(Store<T>&);                          \
  template void bring_home(const Store<T>&);
INNERLOOP_INSTANTIATE(float)
INNERLOOP_INSTANTIATE(double)
#undef INNERLOOP_INSTANTIATE

}  // namespace innerloop
