// A device plugin (interface.h), loaded at run time: the addon neither needs nor links what it needs.
#pragma once
#include <memory>
#include <string>

#include "../runtime/errors.h"
#include "interface.h"

namespace innerloop {

// Why there is no device, with what was needed and found where that is a number.
struct DeviceError : Error {
  DeviceError(std::string code, const std::string& what, int required = 0, int found = 0)
      : Error(std::move(code), what), required(required), found(found) {}
  int required, found;
};

class Plugin {
 public:
  // Loads a library; a second load of the same gives the first. Throws DeviceError.
  static std::shared_ptr<const Plugin> load(const std::string& path);

  // The device; throws DeviceError where there is none to use.
  innerloop_device_info probe() const;
  const innerloop_device& functions() const { return *functions_; }
  // Turns what a function returned into an exception.
  static void check(int32_t code, const innerloop_failure& failure);

 private:
  explicit Plugin(const innerloop_device* functions) : functions_(functions) {}
  const innerloop_device* functions_;
};

}  // namespace innerloop
