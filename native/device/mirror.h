// What a model, its parameters and its batches are on a device. They are made when a call first needs them and live as
// long as what they mirror. Parameters have one truth at a time: whoever wrote last.
#pragma once
#include <atomic>
#include <mutex>

#include "plugin.h"

namespace innerloop {

template <class T>
struct Model;
template <class T>
struct Store;
template <class T>
struct Batch;

struct DeviceModel {
  DeviceModel(std::shared_ptr<const Plugin> plugin, innerloop_model* handle)
      : plugin(std::move(plugin)), handle(handle) {}
  DeviceModel(const DeviceModel&) = delete;
  ~DeviceModel() { plugin->functions().free_model(handle); }
  std::shared_ptr<const Plugin> plugin;
  innerloop_model* handle;
  std::mutex mutex;  // of making counterparts and of copies
};

struct DeviceStore {
  DeviceStore(std::shared_ptr<DeviceModel> model, innerloop_store* handle) : model(std::move(model)), handle(handle) {}
  DeviceStore(const DeviceStore&) = delete;
  ~DeviceStore() { model->plugin->functions().free_store(handle); }
  std::shared_ptr<DeviceModel> model;
  innerloop_store* handle;
  bool host_is_newer = true, device_is_newer = false;
};

struct DeviceFrame {
  DeviceFrame(std::shared_ptr<DeviceModel> model, innerloop_frame* handle) : model(std::move(model)), handle(handle) {}
  DeviceFrame(const DeviceFrame&) = delete;
  ~DeviceFrame() { model->plugin->functions().free_frame(handle); }
  std::shared_ptr<DeviceModel> model;
  innerloop_frame* handle;
};

struct DeviceBatch {
  DeviceBatch(std::shared_ptr<DeviceFrame> frame, innerloop_batch* handle) : frame(std::move(frame)), handle(handle) {}
  DeviceBatch(const DeviceBatch&) = delete;
  ~DeviceBatch() { frame->model->plugin->functions().free_batch(handle); }
  std::shared_ptr<DeviceFrame> frame;
  innerloop_batch* handle;
};

// Puts a model on a device; throws UNSUPPORTED, naming what the device does not do.
template <class T>
void attach(Model<T>& model, std::shared_ptr<const Plugin> plugin);

// The counterpart for a call, with the newest values. The caller holds the store.
template <class T>
innerloop_store* on_device(const Store<T>& store);
template <class T>
innerloop_batch* on_device(const Batch<T>& batch, int threads);

// After a call has updated it there.
template <class T>
void updated_on_device(Store<T>& store);
// Before its values are read here, and after they have been written.
template <class T>
void bring_home(const Store<T>& store);
template <class T>
void updated_here(Store<T>& store);

}  // namespace innerloop
