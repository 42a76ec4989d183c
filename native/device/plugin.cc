#include "plugin.h"

#include <map>
#include <mutex>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace innerloop {
namespace {

using Entry = int32_t (*)(uint32_t, const innerloop_device**, innerloop_failure*);

#if defined(_WIN32)
Entry open(const std::string&) { throw DeviceError("UNSUPPORTED", "device plugins are not loaded on Windows"); }
#else
// Never closed: its functions are held by whatever was made with them.
Entry open(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw DeviceError("CUDA_PACKAGE", dlerror());
  void* const entry = dlsym(library, "innerloop_device_interface");
  if (!entry) throw DeviceError("CUDA_INTERFACE", path + " is no device plugin");
  return reinterpret_cast<Entry>(entry);
}
#endif

}  // namespace

std::shared_ptr<const Plugin> Plugin::load(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Plugin>> loaded;
  const std::lock_guard lock(mutex);
  std::shared_ptr<const Plugin>& plugin = loaded[path];
  if (plugin) return plugin;
  const innerloop_device* functions = nullptr;
  innerloop_failure failure{};
  check(open(path)(INNERLOOP_INTERFACE_VERSION, &functions, &failure), failure);
  if (!functions || functions->version != INNERLOOP_INTERFACE_VERSION || functions->size != sizeof(innerloop_device))
    throw DeviceError("CUDA_INTERFACE", "the plugin's table of functions is of another version",
                      INNERLOOP_INTERFACE_VERSION, functions ? static_cast<int>(functions->version) : 0);
  return plugin = std::shared_ptr<const Plugin>(new Plugin(functions));
}

innerloop_device_info Plugin::probe() const {
  innerloop_device_info info{};
  innerloop_failure failure{};
  check(functions_->probe(&info, &failure), failure);
  return info;
}

void Plugin::check(int32_t code, const innerloop_failure& failure) {
  const std::string text(failure.text);
  switch (code) {
    case INNERLOOP_OK:
      return;
    case INNERLOOP_NO_DRIVER:
      throw DeviceError("CUDA_DRIVER", text);
    case INNERLOOP_DRIVER_TOO_OLD:
      throw DeviceError("CUDA_DRIVER_VERSION", text, failure.required, failure.found);
    case INNERLOOP_NO_DEVICE:
      throw DeviceError("CUDA_DEVICE", text);
    case INNERLOOP_ARCHITECTURE:
      throw DeviceError("CUDA_ARCHITECTURE", text, failure.required, failure.found);
    case INNERLOOP_INTERFACE:
      throw DeviceError("CUDA_INTERFACE", text, failure.required, failure.found);
    case INNERLOOP_UNSUPPORTED:
      throw Error("UNSUPPORTED", text);
    case INNERLOOP_DIVERGED:
      throw Diverged(failure.task, text);
    default:
      throw Error("NATIVE", text);
  }
}

}  // namespace innerloop
