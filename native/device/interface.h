/* The interface between the addon and a device plugin: plain C, so that the two may come from different compilers.
 *
 * A plugin exports innerloop_device_interface, which gives its table of functions if it speaks the asked version.
 * Every function returns a code of enum innerloop_code and, unless that is INNERLOOP_OK, fills the failure. Scalars
 * are float or double as the model's `precision` says (void* below); integers that count are 64 bits wide. The caller
 * has checked every index and length against the model; the plugin refuses by name what it does not support.
 */
#ifndef INNERLOOP_DEVICE_INTERFACE_H
#define INNERLOOP_DEVICE_INTERFACE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every release that changes a structure or a function's meaning. */
#define INNERLOOP_INTERFACE_VERSION 1

enum innerloop_code {
  INNERLOOP_OK = 0,
  INNERLOOP_NO_DRIVER = 1,      /* libcuda is not there or does not start */
  INNERLOOP_DRIVER_TOO_OLD = 2, /* required and found: major * 1000 + minor * 10 */
  INNERLOOP_NO_DEVICE = 3,
  INNERLOOP_ARCHITECTURE = 4, /* required and found: compute capability, major * 10 + minor */
  INNERLOOP_INTERFACE = 5,    /* required and found: versions of this file */
  INNERLOOP_UNSUPPORTED = 6,  /* the text names what */
  INNERLOOP_DIVERGED = 7,     /* task: its position, -1 if it is not one task's */
  INNERLOOP_OUT_OF_MEMORY = 8,
  INNERLOOP_FAILED = 9 /* the device or its driver reported an error */
};

typedef struct innerloop_failure {
  int32_t required, found;
  int64_t task;
  char text[256];
} innerloop_failure;

typedef struct innerloop_device_info {
  char name[128];
  char backend[32]; /* "cuda", or "emulation": the same source on the processor */
  int32_t driver, runtime, capability;
  int32_t processors;
  int64_t memory;
} innerloop_device_info;

/* ------------------------------------------------------------------------------------------------ models */

typedef struct innerloop_input {
  int32_t kind;    /* 0 dense, 1 categorical, 2 bag, 3 sequence */
  int32_t pooling; /* of a bag: 0 mean, 1 sum */
  int64_t size;    /* dense: values a row */
} innerloop_input;

typedef struct innerloop_tensor {
  int64_t offset, size; /* in the parameter arena */
  int64_t width;        /* of a table's rows, else 0 */
  int32_t input;        /* whose ids number the rows of a table; -1: not a table */
} innerloop_tensor;

typedef struct innerloop_layer {
  int32_t kind; /* number among layer_kinds() of layers/registry.cc */
  int32_t out;  /* slot written */
  int32_t in_count, tensor_count, option_count;
  const int32_t* in;      /* slots read */
  const int32_t* tensors; /* -1: left out */
  const double* options;
} innerloop_layer;

typedef struct innerloop_head {
  int32_t loss; /* 0 mse, 1 bce, 2 softmax, 3 bpr, 4 listwise */
  int32_t outputs;
  double weight;
} innerloop_head;

typedef struct innerloop_model_spec {
  int32_t precision; /* bytes of a scalar: 4 or 8 */
  int32_t input_count, tensor_count, layer_count, slot_count, head_count, output;
  const innerloop_input* inputs;
  const innerloop_tensor* tensors;
  const innerloop_layer* layers; /* in the order they run */
  const int64_t* slots;          /* widths */
  const innerloop_head* heads;
  int64_t dense_size, arena_size; /* dense tensors fill [0, dense_size) of the arena, tables the rest */
} innerloop_model_spec;

/* ------------------------------------------------------------------------------------------------ parameters */

/* Everything of a store, in the arena's layout. Null moments: no optimizer has run. */
typedef struct innerloop_state {
  void *values, *first_moment, *second_moment; /* [arena_size] */
  int64_t* touched; /* step of the last update, by row of every table in the order of tensors */
  int64_t step;
} innerloop_state;

/* ------------------------------------------------------------------------------------------------ rows */

/* Dense columns of a frame, by input; null data for an input of ids. They stay on the device. */
typedef struct innerloop_column {
  const void* data; /* [rows, width] */
  int64_t rows, width;
} innerloop_column;

/* The ids of one input in a batch (BatchIndex of batch/batch.h), or the rows of a dense one. */
typedef struct innerloop_batch_input {
  const int32_t* side;         /* dense: row of the column, by batch row */
  const innerloop_column* own; /* dense: a column in place of the frame's, or null */
  const int64_t* entry_begin;  /* ids: by batch row + 1 */
  const int32_t* local;        /* task-local table row of every id */
  const int64_t* unique_begin; /* by task + 1 */
  const int32_t* unique;       /* table row of every task-local row */
  const int32_t* unique_batch; /* its position in `rows` */
  const int32_t* rows;         /* distinct table rows of the batch, ascending */
  int64_t row_count;
} innerloop_batch_input;

typedef struct innerloop_batch_spec {
  int64_t tasks;
  const int64_t* begin; /* 2 tasks + 1: support of task t is [begin[2t], begin[2t+1]), query up to begin[2t+2] */
  const innerloop_batch_input* inputs;
  const void* labels;      /* [rows], or null */
  const void* row_weights; /* [rows], or null: equal */
  const double* weights;   /* of tasks, summing to 1, or null: equal */
} innerloop_batch_spec;

/* ------------------------------------------------------------------------------------------------ calls */

typedef struct innerloop_model innerloop_model;
typedef struct innerloop_store innerloop_store;
typedef struct innerloop_frame innerloop_frame;
typedef struct innerloop_batch innerloop_batch;

typedef struct innerloop_loop {
  int32_t steps, order;
  int32_t solver;    /* 0 gradient, 1 ridge, 2 laplace, 3 implicit, 4 lstm */
  int32_t rate_kind; /* 0 scalar, 1 per tensor and step, 2 per parameter */
  int32_t form;      /* 0 cheaper, 1 direct, 2 Gram */
  int32_t update;    /* 0 sgd, 1 momentum, 2 adam */
  int32_t has_program;
  int32_t prior, prior_factor;                 /* ridge, laplace: tensors, -1: none */
  double shrinkage, rate, proximal, clip_norm; /* clip_norm: longest gradient of a step, 0: no limit */
  double beta1, beta2, epsilon;                /* of adam; beta1 is momentum's factor too */
  int32_t cg_steps;                            /* implicit: conjugate gradients */
  double cg_tolerance, cg_damping;
  uint64_t dropout;
  const uint8_t* fast;          /* by tensor */
  const double* loss_weights;   /* [steps]: of L_Q(theta_1) ... L_Q(theta_K) in the meta-loss; null: the last alone */
  const void* step_rates;       /* [tensors, steps], those of slow tensors unused */
  const innerloop_store* rates; /* per parameter */
} innerloop_loop;

/* A gradient over the arena: dense tensors densely, tables as the batch's distinct rows. Owned by the caller. */
typedef struct innerloop_gradient {
  void* dense;         /* [dense_size] */
  void* const* blocks; /* by tensor: [row_count of its input, width], null if dense */
} innerloop_gradient;

typedef struct innerloop_meta_gradient_result {
  double loss;
  double* task_losses; /* [tasks] */
  innerloop_gradient gradient;
  innerloop_gradient rate_gradient; /* per parameter */
  void* step_rate_gradient;         /* per tensor and step: [tensors, steps] */
} innerloop_meta_gradient_result;

typedef struct innerloop_optimizer {
  int32_t kind; /* 0 sgd, 1 adam */
  double learning_rate, momentum, beta1, beta2, epsilon, clip_norm;
  const double *weight_decay, *max_norm, *l2; /* by tensor */
} innerloop_optimizer;

typedef struct innerloop_step_result {
  double loss, norm;
  double* task_losses;      /* [tasks] */
  void* step_rate_gradient; /* [tensors, steps], or null */
} innerloop_step_result;

/* Fast parameters after adaptation. */
typedef struct innerloop_adapted_result {
  void* const* values; /* by tensor, null if slow: [tasks, size], of a table [distinct rows of all tasks, width] */
  double* factors;     /* ridge, laplace: [tasks, d, d], lower Cholesky factor of the posterior precision; or null */
  double* modes;       /* with factors: [tasks, d], the last layer and its bias */
} innerloop_adapted_result;

/* One task's adapted parameters, which replace the shared ones. */
typedef struct innerloop_start {
  const uint8_t* fast;        /* by tensor */
  const void* const* values;  /* by tensor: dense [size], table [counts, width] */
  const int32_t* const* rows; /* by tensor: table rows, ascending */
  const int64_t* counts;      /* by tensor */
  const double* factor;       /* ridge, laplace, or null */
} innerloop_start;

typedef struct innerloop_outputs {
  void *before, *after, *variance; /* [query rows of all tasks, outputs]; null: not wanted */
} innerloop_outputs;

typedef struct innerloop_product_result {
  double loss;
  innerloop_gradient gradient, product;
} innerloop_product_result;

typedef struct innerloop_device {
  uint32_t version;
  uint32_t size; /* of this structure */

  int32_t (*probe)(innerloop_device_info*, innerloop_failure*);

  int32_t (*create_model)(const innerloop_model_spec*, innerloop_model**, innerloop_failure*);
  void (*free_model)(innerloop_model*);
  int32_t (*create_store)(innerloop_model*, innerloop_store**, innerloop_failure*);
  void (*free_store)(innerloop_store*);
  int32_t (*write_store)(innerloop_store*, const innerloop_state*, innerloop_failure*);
  /* Copies what the pointers are not null for; null moments of a store without are left alone. `step` is set. */
  int32_t (*read_store)(const innerloop_store*, innerloop_state*, innerloop_failure*);
  int32_t (*create_frame)(innerloop_model*, const innerloop_column*, innerloop_frame**, innerloop_failure*);
  void (*free_frame)(innerloop_frame*);
  int32_t (*create_batch)(innerloop_frame*, const innerloop_batch_spec*, innerloop_batch**, innerloop_failure*);
  void (*free_batch)(innerloop_batch*);

  /* Whether the calls below take this inner loop; the failure's text names what they refuse. */
  int32_t (*check_loop)(const innerloop_model*, const innerloop_loop*, innerloop_failure*);

  /* direction: 0 the meta-gradient, 1 Reptile's. */
  int32_t (*meta_gradient)(innerloop_store*, innerloop_batch*, const innerloop_loop*, int32_t direction,
                           innerloop_meta_gradient_result*, innerloop_failure*);
  /* Updates the store, and the loop's rates where rate_optimizer is not null. On any failure neither changes. */
  int32_t (*train_step)(innerloop_store*, innerloop_batch*, const innerloop_loop*, int32_t direction,
                        const innerloop_optimizer*, const innerloop_optimizer* rate_optimizer, innerloop_step_result*,
                        innerloop_failure*);
  int32_t (*adapt)(innerloop_store*, innerloop_batch*, const innerloop_loop*, innerloop_adapted_result*,
                   innerloop_failure*);
  /* starts: none, one that every task starts from, or one a task; all of the same tensors. */
  int32_t (*predict)(innerloop_store*, innerloop_batch*, const innerloop_loop*, const innerloop_start* starts,
                     int64_t start_count, innerloop_outputs*, innerloop_failure*);
  /* Of the query rows of the only task, in all parameters. */
  int32_t (*hessian_vector_product)(innerloop_store*, innerloop_batch*, const innerloop_store* vector,
                                    innerloop_product_result*, innerloop_failure*);
} innerloop_device;

#if defined(_WIN32)
#define INNERLOOP_EXPORT __declspec(dllexport)
#else
#define INNERLOOP_EXPORT __attribute__((visibility("default")))
#endif

#ifdef INNERLOOP_BUILDING_PLUGIN
INNERLOOP_EXPORT
#endif
int32_t innerloop_device_interface(uint32_t version, const innerloop_device** device, innerloop_failure* failure);

#ifdef __cplusplus
}
#endif
#endif
