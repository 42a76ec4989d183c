/* A plugin that fails as INNERLOOP_FAKE says: what each cause looks like without the machine that has it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/device/interface.h"

static int32_t fail(innerloop_failure* failure, int32_t code, const char* text, int32_t required, int32_t found) {
  failure->required = required;
  failure->found = found;
  snprintf(failure->text, sizeof failure->text, "%s", text);
  return code;
}

static int32_t probe(innerloop_device_info* info, innerloop_failure* failure) {
  const char* how = getenv("INNERLOOP_FAKE");
  if (!how) how = "";
  if (!strcmp(how, "driver")) return fail(failure, INNERLOOP_NO_DRIVER, "no CUDA driver", 0, 0);
  if (!strcmp(how, "old")) return fail(failure, INNERLOOP_DRIVER_TOO_OLD, "the CUDA driver is too old", 13000, 12020);
  if (!strcmp(how, "none")) return fail(failure, INNERLOOP_NO_DEVICE, "no CUDA device", 0, 0);
  if (!strcmp(how, "architecture")) return fail(failure, INNERLOOP_ARCHITECTURE, "the device is too old", 80, 61);
  if (!strcmp(how, "crash")) raise(SIGSEGV);
  snprintf(info->name, sizeof info->name, "Fake");
  snprintf(info->backend, sizeof info->backend, "fake");
  return INNERLOOP_OK;
}

static innerloop_device table;

INNERLOOP_EXPORT int32_t innerloop_device_interface(uint32_t version, const innerloop_device** device,
                                                    innerloop_failure* failure) {
  const char* how = getenv("INNERLOOP_FAKE");
  if (how && !strcmp(how, "interface"))
    return fail(failure, INNERLOOP_INTERFACE, "the plugin speaks version 7 of the interface", (int32_t)version, 7);
  table.version = INNERLOOP_INTERFACE_VERSION;
  table.size = sizeof table;
  table.probe = probe;
  *device = &table;
  return INNERLOOP_OK;
}
