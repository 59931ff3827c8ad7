// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0

/*
 * The least that a tier K plugin can be: builds OpenCL C and launches it on
 * the first device of the first platform. It proves that the headers suffice
 * for that; the backend for OpenCL is another.
 */

#include "host_device.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <maru/plugin_kernel.h>
#include <stdio.h>
#include <string.h>

/* Every function of the driver that is used, by name: no library is linked. */
#define CL_FUNCTIONS(X)                                                                                \
    X(clGetPlatformIDs) X(clGetDeviceIDs) X(clGetDeviceInfo) X(clCreateContext) X(clReleaseContext)     \
    X(clCreateCommandQueue) X(clReleaseCommandQueue) X(clFinish) X(clCreateBuffer)                      \
    X(clReleaseMemObject) X(clEnqueueMapBuffer) X(clEnqueueUnmapMemObject) X(clEnqueueCopyBuffer)       \
    X(clCreateProgramWithSource) X(clBuildProgram) X(clGetProgramBuildInfo) X(clReleaseProgram)         \
    X(clCreateKernel) X(clReleaseKernel) X(clGetKernelInfo) X(clGetKernelWorkGroupInfo)                 \
    X(clSetKernelArg) X(clEnqueueNDRangeKernel)

typedef struct {
    maru_abi_plugin *plugin; // of the template
    maru_abi_plugin_fns plugin_fns;
    maru_abi_queue_fns queue_fns;
    void *library;           // NULL: there is none
    cl_device_id id;         // NULL: there is no device
    char name[128];
    cl_context context;
    cl_command_queue queue;
#define MEMBER(f) __typeof__(f) *f; // a GNU extension that both compilers have
    CL_FUNCTIONS(MEMBER)
#undef MEMBER
} driver;

typedef struct {
    maru_abi_buffer base; // memory is the cl_mem
    void *mapped;
} cl_buffer;

struct maru_abi_module {
    maru_abi_device *device;
    cl_program program;
};

struct maru_abi_kernel {
    maru_abi_device *device;
    cl_kernel kernel;
};

static driver *driver_of(const maru_abi_plugin *plugin)
{
    return (driver *)(void *)((char *)(uintptr_t)plugin->api.plugin_fns - offsetof(driver, plugin_fns));
}

static driver *of(const maru_abi_device *device)
{
    return driver_of(device->plugin);
}

static maru_abi_status cl_fail(maru_abi_error *error, cl_int code, const char *call)
{
    tpl_fail(error, MARU_ABI_INTERNAL, call);
    if (error)
        error->vendor_code = code;
    return MARU_ABI_INTERNAL;
}

/* ---- the driver --------------------------------------------------------------- */

static int load_driver(driver *d)
{
    d->library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!d->library)
        return 0;
#define LOAD(f)                                                     \
    {                                                               \
        void *symbol = dlsym(d->library, #f);                       \
        if (!symbol)                                                \
            return 0;                                               \
        memcpy(&d->f, &symbol, sizeof symbol);                      \
    }
    CL_FUNCTIONS(LOAD)
#undef LOAD
    cl_platform_id platform;
    if (d->clGetPlatformIDs(1, &platform, NULL) != CL_SUCCESS ||
        d->clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &d->id, NULL) != CL_SUCCESS)
        d->id = NULL;
    return d->id && d->clGetDeviceInfo(d->id, CL_DEVICE_NAME, sizeof d->name, d->name, NULL) == CL_SUCCESS;
}

static maru_abi_status device_count(maru_abi_plugin *plugin, uint32_t *out_count, char *why, uint64_t why_bytes,
                                    maru_abi_error *error)
{
    (void)error;
    const driver *d = driver_of(plugin);
    *out_count = d->id ? 1 : 0;
    if (!d->library)
        snprintf(why, why_bytes, "no OpenCL loader: install ocl-icd-libopencl1");
    else if (!d->id)
        snprintf(why, why_bytes, "no OpenCL device: install pocl-opencl-icd");
    return MARU_ABI_OK;
}

static maru_abi_status device_info(maru_abi_plugin *plugin, uint32_t index, maru_abi_device_info *out,
                                   maru_abi_error *error)
{
    const driver *d = driver_of(plugin);
    maru_abi_status status = tpl_plugin_fns.device_info(plugin, index, out, error);
    size_t group = 0;
    cl_ulong local = 0;
    d->clGetDeviceInfo(d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
    d->clGetDeviceInfo(d->id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    out->name = d->name;
    out->caps |= MARU_ABI_CAP_ONLINE_COMPILER;
    out->max_group_size = (uint32_t)group;
    out->local_mem_bytes = local;
    return status;
}

static maru_abi_status device_open(maru_abi_plugin *plugin, uint32_t index, const maru_abi_device_params *params,
                                   maru_abi_device **out_device, maru_abi_error *error)
{
    driver *d = driver_of(plugin);
    cl_int code = CL_SUCCESS;
    if (d->context)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "this small plugin opens its device once");
    d->context = d->clCreateContext(NULL, 1, &d->id, NULL, NULL, &code);
    if (!d->context)
        return cl_fail(error, code, "clCreateContext");
    d->queue = d->clCreateCommandQueue(d->context, d->id, 0, &code);
    if (!d->queue)
        return cl_fail(error, code, "clCreateCommandQueue");
    return tpl_plugin_fns.device_open(plugin, index, params, out_device, error);
}

static maru_abi_status device_close(maru_abi_device *device, uint32_t abandon, maru_abi_error *error)
{
    driver *d = of(device);
    maru_abi_status status = tpl_plugin_fns.device_close(device, abandon, error);
    if (status != MARU_ABI_OK)
        return status;
    d->clReleaseCommandQueue(d->queue);
    d->clReleaseContext(d->context);
    d->context = NULL;
    return MARU_ABI_OK;
}

/* The library stays loaded: drivers do not survive being unloaded. */
static maru_abi_status plugin_shutdown(maru_abi_plugin *plugin, maru_abi_error *error)
{
    const maru_abi_host *host = plugin->host;
    driver *d = driver_of(plugin);
    maru_abi_status status = tpl_plugin_fns.shutdown(plugin, error);
    if (status == MARU_ABI_OK)
        host->free(host->ctx, d);
    return status;
}

/* ---- buffers -------------------------------------------------------------------- */

static maru_abi_status buffer_alloc(maru_abi_device *device, uint32_t kind, uint64_t bytes, maru_abi_buffer **out,
                                    maru_abi_error *error)
{
    (void)kind;
    const maru_abi_host *host = device->plugin->host;
    cl_int code = CL_SUCCESS;
    cl_buffer *b = host->alloc(host->ctx, sizeof *b, 16);
    cl_mem memory = b ? of(device)->clCreateBuffer(of(device)->context, CL_MEM_READ_WRITE, bytes, NULL, &code) : NULL;
    if (!memory) {
        host->free(host->ctx, b);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "clCreateBuffer: no memory");
    }
    *b = (cl_buffer){.base = {device, (char *)memory, bytes}};
    atomic_fetch_add(&device->n_children, 1);
    *out = &b->base;
    return MARU_ABI_OK;
}

static void buffer_free(maru_abi_buffer *buffer)
{
    const maru_abi_host *host = buffer->device->plugin->host;
    of(buffer->device)->clReleaseMemObject((cl_mem)buffer->memory);
    atomic_fetch_sub(&buffer->device->n_children, 1);
    host->free(host->ctx, buffer);
}

static maru_abi_status buffer_map(maru_abi_buffer *buffer, uint64_t offset, uint64_t bytes, uint32_t flags,
                                  void **out_pointer, maru_abi_error *error)
{
    driver *d = of(buffer->device);
    cl_int code = CL_SUCCESS;
    cl_map_flags how = (flags & MARU_ABI_MAP_READ ? CL_MAP_READ : 0) | (flags & MARU_ABI_MAP_WRITE ? CL_MAP_WRITE : 0);
    *out_pointer = d->clEnqueueMapBuffer(d->queue, (cl_mem)buffer->memory, CL_TRUE, how, offset, bytes, 0, NULL, NULL,
                                         &code);
    ((cl_buffer *)(void *)buffer)->mapped = *out_pointer;
    return *out_pointer ? MARU_ABI_OK : cl_fail(error, code, "clEnqueueMapBuffer");
}

static void buffer_unmap(maru_abi_buffer *buffer)
{
    driver *d = of(buffer->device);
    d->clEnqueueUnmapMemObject(d->queue, (cl_mem)buffer->memory, ((cl_buffer *)(void *)buffer)->mapped, 0, NULL, NULL);
    d->clFinish(d->queue);
}

static const maru_abi_buffer_fns buffer_fns = {
    .head = MARU_ABI_HEAD(maru_abi_buffer_fns),
    .alloc = buffer_alloc,
    .free = buffer_free,
    .map = buffer_map,
    .unmap = buffer_unmap,
};

/* ---- modules ---------------------------------------------------------------------- */

static void module_destroy(maru_abi_module *module)
{
    const maru_abi_host *host = module->device->plugin->host;
    of(module->device)->clReleaseProgram(module->program);
    atomic_fetch_sub(&module->device->n_children, 1);
    host->free(host->ctx, module);
}

static void module_drop(void *product)
{
    module_destroy(product);
}

static void join_definitions(const maru_abi_module_request *request, char *out, size_t room)
{
    out[0] = '\0';
    for (uint32_t i = 0; i < request->definitions.count; i++) {
        size_t used = strlen(out);
        snprintf(out + used, room - used, " -D%s", *MARU_ABI_AT(const char *, request->definitions, i));
    }
}

static maru_abi_status module_build(maru_abi_device *device, const maru_abi_module_request *request,
                                    maru_abi_job **out_job, maru_abi_error *error)
{
    driver *d = of(device);
    const maru_abi_host *host = device->plugin->host;
    const char *source = request->data;
    size_t bytes = request->bytes;
    cl_int code = CL_SUCCESS;
    char options[512];
    if (strcmp(request->format, "opencl-c") != 0)
        return tpl_fail(error, MARU_ABI_UNSUPPORTED, "only opencl-c is built");
    join_definitions(request, options, sizeof options);
    maru_abi_module *module = host->alloc(host->ctx, sizeof *module, 16);
    if (!module)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a module");
    *module = (maru_abi_module){device, d->clCreateProgramWithSource(d->context, 1, &source, &bytes, &code)};
    atomic_fetch_add(&device->n_children, 1);
    code = d->clBuildProgram(module->program, 1, &d->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return tpl_job_done(host, module, module_drop, out_job, error);
    char log[480] = "";
    d->clGetProgramBuildInfo(module->program, d->id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
    module_destroy(module);
    tpl_fail(error, MARU_ABI_INVALID_ARGUMENT, log[0] ? log : "the source does not compile");
    return MARU_ABI_INVALID_ARGUMENT;
}

static maru_abi_status module_take(maru_abi_job *job, maru_abi_module **out_module, maru_abi_error *error)
{
    if (!job->product)
        return tpl_fail(error, MARU_ABI_FAILED_PRECONDITION, "the module was taken already");
    *out_module = job->product;
    job->product = NULL;
    return MARU_ABI_OK;
}

static maru_abi_status kernel_create(maru_abi_module *module, const char *entry, maru_abi_kernel **out_kernel,
                                     maru_abi_error *error)
{
    const maru_abi_host *host = module->device->plugin->host;
    cl_int code = CL_SUCCESS;
    cl_kernel kernel = of(module->device)->clCreateKernel(module->program, entry, &code);
    if (!kernel)
        return tpl_fail(error, MARU_ABI_NOT_FOUND, "clCreateKernel: no such entry");
    maru_abi_kernel *k = host->alloc(host->ctx, sizeof *k, 16);
    if (!k)
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for a kernel");
    *k = (maru_abi_kernel){module->device, kernel};
    atomic_fetch_add(&module->device->n_children, 1);
    *out_kernel = k;
    return MARU_ABI_OK;
}

static void kernel_destroy(maru_abi_kernel *kernel)
{
    const maru_abi_host *host = kernel->device->plugin->host;
    of(kernel->device)->clReleaseKernel(kernel->kernel);
    atomic_fetch_sub(&kernel->device->n_children, 1);
    host->free(host->ctx, kernel);
}

static maru_abi_status kernel_info(maru_abi_kernel *kernel, maru_abi_kernel_info *out, maru_abi_error *error)
{
    driver *d = of(kernel->device);
    size_t group = 0;
    cl_ulong local = 0;
    cl_uint n_args = 0;
    cl_int code = d->clGetKernelWorkGroupInfo(kernel->kernel, d->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof group, &group,
                                              NULL);
    if (code == CL_SUCCESS)
        code = d->clGetKernelWorkGroupInfo(kernel->kernel, d->id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    if (code == CL_SUCCESS)
        code = d->clGetKernelInfo(kernel->kernel, CL_KERNEL_NUM_ARGS, sizeof n_args, &n_args, NULL);
    out->max_group_size = (uint32_t)group;
    out->local_mem_bytes = local;
    out->n_args = n_args;
    return code == CL_SUCCESS ? MARU_ABI_OK : cl_fail(error, code, "clGetKernelInfo");
}

static const maru_abi_kernel_fns kernel_fns = {
    .head = MARU_ABI_HEAD(maru_abi_kernel_fns),
    .module_build = module_build,
    .module_take = module_take,
    .module_destroy = module_destroy,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .kernel_info = kernel_info,
};

/* ---- dispatch ---------------------------------------------------------------------- */

static cl_int set_arg(driver *d, cl_kernel kernel, cl_uint index, const maru_abi_arg *arg)
{
    cl_mem memory = arg->buffer ? (cl_mem)arg->buffer->memory : NULL;
    if (arg->kind == MARU_ABI_ARG_BUFFER)
        return d->clSetKernelArg(kernel, index, sizeof memory, &memory);
    return d->clSetKernelArg(kernel, index, arg->kind == MARU_ABI_ARG_I64 ? 8 : 4, &arg->bits);
}

static cl_int dispatch(driver *d, const maru_abi_dispatch *body)
{
    size_t global[3];
    size_t local[3];
    for (int i = 0; i < 3; i++) {
        local[i] = body->local[i];
        global[i] = (size_t)body->groups[i] * local[i];
        if (global[i] == 0)
            return CL_SUCCESS;
    }
    for (uint32_t i = 0; i < body->n_args; i++) {
        cl_int code = set_arg(d, body->kernel->kernel, i, &body->args[i]);
        if (code != CL_SUCCESS)
            return code;
    }
    return d->clEnqueueNDRangeKernel(d->queue, body->kernel->kernel, 3, NULL, global, local, 0, NULL, NULL);
}

static cl_int run_command(driver *d, const maru_abi_command *command)
{
    if (command->kind == MARU_ABI_CMD_DISPATCH)
        return dispatch(d, command->body);
    const maru_abi_copy *copy = command->body;
    return d->clEnqueueCopyBuffer(d->queue, (cl_mem)copy->src.buffer->memory, (cl_mem)copy->dst.buffer->memory,
                                  copy->src.offset, copy->dst.offset, copy->src.bytes, 0, NULL, NULL);
}

static maru_abi_status queue_submit(maru_abi_queue *queue, const maru_abi_submit *submit, maru_abi_error *error)
{
    driver *d = of(queue->device);
    cl_int code = CL_SUCCESS;
    for (uint32_t i = 0; i < submit->n_commands; i++) {
        if (submit->commands[i].kind != MARU_ABI_CMD_DISPATCH && submit->commands[i].kind != MARU_ABI_CMD_COPY)
            return tpl_fail(error, MARU_ABI_UNSUPPORTED, "only copies and dispatches are known");
    }
    for (uint32_t i = 0; i < submit->n_commands && code == CL_SUCCESS; i++)
        code = run_command(d, &submit->commands[i]);
    if (code == CL_SUCCESS)
        code = d->clFinish(d->queue);
    maru_abi_error reason = {.head = MARU_ABI_HEAD(maru_abi_error), .node = MARU_ABI_NO_INDEX};
    if (code != CL_SUCCESS)
        cl_fail(&reason, code, "the commands failed");
    for (uint32_t i = 0; i < submit->n_signals; i++) {
        if (code == CL_SUCCESS)
            (void)tpl_fence_fns.signal(submit->signals[i].fence, submit->signals[i].value, NULL);
        else
            tpl_fence_fns.fail(submit->signals[i].fence, &reason);
    }
    return MARU_ABI_OK;
}

/* ---- entry ------------------------------------------------------------------------------ */

static const tpl_hooks hooks = {.device_name = "OpenCL"};

static maru_abi_status create(const maru_abi_host *host, const maru_abi_create_params *params,
                              const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    (void)params;
    driver *d = host->alloc(host->ctx, sizeof *d, 64);
    maru_abi_plugin *plugin = d ? tpl_create(host, &hooks) : NULL;
    if (!plugin) {
        host->free(host->ctx, d);
        return tpl_fail(error, MARU_ABI_RESOURCE_EXHAUSTED, "no memory for the plugin");
    }
    memset(d, 0, sizeof *d);
    d->plugin = plugin;
    d->plugin_fns = tpl_plugin_fns;
    d->plugin_fns.shutdown = plugin_shutdown;
    d->plugin_fns.device_count = device_count;
    d->plugin_fns.device_info = device_info;
    d->plugin_fns.device_open = device_open;
    d->plugin_fns.device_close = device_close;
    d->queue_fns = tpl_queue_fns;
    d->queue_fns.submit = queue_submit;
    if (!load_driver(d))
        d->id = NULL;
    plugin->api.plugin_fns = &d->plugin_fns;
    plugin->api.buffer_fns = &buffer_fns;
    plugin->api.queue_fns = &d->queue_fns;
    plugin->api.kernel_fns = &kernel_fns;
    *out_api = &plugin->api;
    return MARU_ABI_OK;
}

MARU_PLUGIN_MANIFEST("name=opencl-test\n"
                     "vendor=The Maru authors\n"
                     "version=1.0.0\n"
                     "licence=Apache-2.0\n"
                     "tiers=K\n"
                     "opens=libOpenCL.so.1\n");

static const maru_abi_entry entry = {
    .head = MARU_ABI_HEAD(maru_abi_entry),
    .abi_hash = MARU_ABI_HASH,
    .name = "opencl-test",
    .version = "1.0.0",
    .create = create,
};

MARU_PLUGIN_ENTRY(opencl_test)
{
    (void)host_minor;
    return host_major == MARU_ABI_MAJOR ? &entry : NULL;
}
