// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#define MARU_PLUGIN_STATIC

/* What a plugin may say, and what it may not: the template, linked in, with one answer exchanged at a time. */

#include "../../../plugins/template/fence.c"
#include "../../../plugins/template/host_device.c"
#include "../../../plugins/template/template_graph.c"

#include "device_test.h"

#include "device/device.h"
#include "device_graph.h"

#define MANIFEST "name=template-graph\nvendor=v\nversion=1.0.0\nlicence=l\ntiers=G\nfuture=yes\n"

/* Records and tables of a later minor version are longer. */
typedef struct {
    maru_abi_memory_kind known;
    uint64_t later[3];
} longer_kind;

typedef struct {
    maru_abi_queue_fns known;
    void (*later)(void);
} longer_queue_fns;

/* What the plugin at hand says; the tests change it before they load it. */
static maru_abi_device_info said_info;
static maru_abi_plugin_api said_api;
static maru_abi_plugin_fns said_plugin_fns;
static longer_queue_fns said_queue_fns;
static maru_abi_graph_fns said_graph_fns;
static maru_abi_program_info said_program;
static maru_abi_constant_use said_use;
static uint32_t said_verdict;
static uint32_t said_count;

static maru_abi_status say_info(maru_abi_plugin *plugin, uint32_t index, maru_abi_device_info *out,
                                maru_abi_error *error)
{
    (void)plugin;
    (void)index;
    (void)error;
    memcpy(out, &said_info, sizeof *out);
    return MARU_ABI_OK;
}

static maru_abi_status say_count(maru_abi_plugin *plugin, uint32_t *out_count, char *why, uint64_t why_bytes,
                                 maru_abi_error *error)
{
    (void)plugin;
    (void)error;
    memset(why, 'w', why_bytes); // no NUL
    *out_count = said_count;
    return MARU_ABI_OK;
}

static maru_abi_status say_verdict(maru_abi_plugin *plugin, uint32_t index, const void *blob, uint64_t bytes,
                                   uint32_t *out_verdict, maru_abi_error *error)
{
    (void)plugin;
    (void)index;
    (void)blob;
    (void)bytes;
    (void)error;
    *out_verdict = said_verdict;
    return MARU_ABI_OK;
}

static maru_abi_status refuse_verdict(maru_abi_plugin *plugin, uint32_t index, const void *blob, uint64_t bytes,
                                      uint32_t *out_verdict, maru_abi_error *error)
{
    (void)plugin;
    (void)index;
    (void)blob;
    (void)bytes;
    *out_verdict = MARU_ABI_VERDICT_USABLE;
    error->vendor_code = -7;
    memcpy(error->message, "a\nb\x1b[31m", 8);
    return -3;
}

static maru_abi_event said_event;

static maru_abi_status say_event(maru_abi_plugin *plugin, maru_abi_event *out_event, maru_abi_error *error)
{
    (void)plugin;
    (void)error;
    *out_event = said_event;
    return MARU_ABI_OK;
}

static const void *say_ext(maru_abi_plugin *plugin, const char *name, uint32_t min_version)
{
    (void)plugin;
    return strcmp(name, "vendor.thing") == 0 && min_version <= 2 ? &said_verdict : NULL;
}

/* A program that is nothing but its description. */
static maru_abi_status make_program(maru_abi_device *device, const maru_abi_compile_request *request,
                                    maru_abi_job **out_job, maru_abi_error *error)
{
    (void)request;
    return tpl_job_done(device->plugin->host, NULL, NULL, out_job, error);
}

static maru_abi_status take_program(maru_abi_job *job, maru_abi_program **out_program, maru_abi_error *error)
{
    (void)job;
    (void)error;
    *out_program = (maru_abi_program *)&said_program;
    return MARU_ABI_OK;
}

static maru_abi_status describe_program(maru_abi_program *program, maru_abi_program_info *out, maru_abi_error *error)
{
    (void)program;
    (void)error;
    *out = said_program;
    return MARU_ABI_OK;
}

static maru_abi_status create_said(const maru_abi_host *host, const maru_abi_create_params *params,
                                   const maru_abi_plugin_api **out_api, maru_abi_error *error)
{
    const maru_abi_plugin_api *api = NULL;
    maru_abi_status status = create(host, params, &api, error);
    if (status != MARU_ABI_OK)
        return status;
    said_api.plugin = api->plugin;
    *out_api = &said_api;
    return MARU_ABI_OK;
}

static const maru_abi_entry *query_said(uint16_t major, uint16_t minor)
{
    static maru_abi_entry said;
    (void)major;
    (void)minor;
    said = entry;
    said.create = create_said;
    return &said;
}

static const maru_abi_memory_kind plain_kind = {.flags = MARU_ABI_MEM_HOST_VISIBLE, .alignment = 64};

/* The truth, before a test changes it. */
static int be_honest(void **state)
{
    (void)state;
    said_info = (maru_abi_device_info){.head = MARU_ABI_HEAD(maru_abi_device_info), .name = "n",
                                       .memory_kinds = {&plain_kind, 1, sizeof plain_kind}};
    said_plugin_fns = tpl_plugin_fns;
    said_plugin_fns.device_info = say_info;
    said_queue_fns = (longer_queue_fns){.known = tpl_queue_fns};
    said_graph_fns = graph_fns;
    said_graph_fns.compile = make_program;
    said_graph_fns.compile_take = take_program;
    said_graph_fns.program_info = describe_program;
    said_use = (maru_abi_constant_use){.how = MARU_ABI_CONSTANT_PLAIN};
    said_program = (maru_abi_program_info){.head = MARU_ABI_HEAD(maru_abi_program_info),
                                           .constants = {&said_use, 1, sizeof said_use}};
    said_api = (maru_abi_plugin_api){
        .head = MARU_ABI_HEAD(maru_abi_plugin_api), .plugin_fns = &said_plugin_fns,
        .buffer_fns = &tpl_buffer_fns, .queue_fns = &said_queue_fns.known, .fence_fns = &tpl_fence_fns,
        .job_fns = &tpl_job_fns, .graph_fns = &said_graph_fns,
    };
    return 0;
}

typedef struct {
    test_host host;
    maru_plugin *plugin;
} fixture;

static maru_status attach(fixture *f)
{
    *f = (fixture){0};
    test_host_init(&f->host, NULL);
    maru_status status = maru_plugin_attach_static(query_said, MANIFEST, &f->host.params, &f->plugin);
    if (status != MARU_OK)
        test_host_fini(&f->host);
    return status;
}

static void detach(fixture *f)
{
    assert_ok(maru_plugin_unload(&f->plugin));
    test_host_fini(&f->host);
}

/* ---- tables: 3.1, 3.4, 3.9 ---- */

static void later_tables_are_taken(void **state)
{
    (void)state;
    fixture f;
    said_queue_fns.known.head.struct_size = sizeof said_queue_fns;
    said_queue_fns.known.head.minor = 9;
    assert_ok(attach(&f));
    assert_null(maru_plugin_fns(f.plugin)->queue.record);
    detach(&f);
}

static maru_abi_status record_nothing(maru_abi_queue *queue, const maru_abi_command *commands, uint32_t n_commands,
                                      maru_abi_array rebindable, maru_abi_recording **out, maru_abi_error *error)
{
    (void)queue;
    (void)commands;
    (void)n_commands;
    (void)rebindable;
    (void)out;
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "never called");
}

static maru_abi_status bind_nothing(maru_abi_program *program, const int64_t *symbols, uint32_t n_symbols,
                                    const int64_t *exprs, uint32_t n_exprs, maru_abi_bound **out_bound,
                                    maru_abi_bound_info *out_info, maru_abi_error *error)
{
    (void)program;
    (void)symbols;
    (void)n_symbols;
    (void)exprs;
    (void)n_exprs;
    (void)out_bound;
    (void)out_info;
    return tpl_fail(error, MARU_ABI_UNSUPPORTED, "never called");
}

static void what_belongs_together_is_there_together(void **state)
{
    (void)state;
    fixture f;
    said_queue_fns.known.record = record_nothing;
    assert_fails(attach(&f), MARU_FAILED_PRECONDITION, "does not implement 'recording_destroy'");
    be_honest(NULL);
    said_graph_fns.program_bind = bind_nothing;
    assert_fails(attach(&f), MARU_FAILED_PRECONDITION, "does not implement 'bound_destroy'");
    be_honest(NULL);
    said_api.graph_fns = NULL;
    assert_fails(attach(&f), MARU_FAILED_PRECONDITION, "its manifest says tier G");
}

/* ---- descriptions: 3.2, 3.3, 3.6, 5.3 ---- */

static maru_status read_info(maru_abi_device_info *out)
{
    fixture f;
    maru_arena arena = {0};
    assert_ok(attach(&f));
    maru_status status = maru_device_info_get(f.plugin, 0, &arena, out);
    maru_arena_fini(&arena);
    detach(&f);
    return status;
}

static void records_may_be_longer_or_shorter(void **state)
{
    (void)state;
    static const longer_kind longer[2] = {{{1, 2, 3, 64}, {9, 9, 9}}, {{4, 5, 6, 128}, {9, 9, 9}}};
    static const uint32_t shorter[2] = {MARU_ABI_F32, MARU_ABI_F16};
    fixture f;
    maru_arena arena = {0};
    maru_abi_device_info info;
    said_info.memory_kinds = (maru_abi_array){longer, 2, sizeof longer[0]};
    said_info.compute_types = (maru_abi_array){shorter, 2, sizeof shorter[0]}; // without their accumulator
    assert_ok(attach(&f));
    assert_ok(maru_device_info_get(f.plugin, 0, &arena, &info));
    assert_int_equal(MARU_ABI_AT(maru_abi_memory_kind, info.memory_kinds, 1)->flags, 4);
    assert_int_equal(MARU_ABI_AT(maru_abi_memory_kind, info.memory_kinds, 1)->alignment, 128);
    assert_int_equal(MARU_ABI_AT(maru_abi_compute_type, info.compute_types, 1)->dtype, MARU_ABI_F16);
    assert_int_equal(MARU_ABI_AT(maru_abi_compute_type, info.compute_types, 1)->accumulator, 0);
    maru_arena_fini(&arena);
    detach(&f);
}

static void descriptions_are_checked(void **state)
{
    (void)state;
    static const maru_abi_memory_kind crooked = {.alignment = 48};
    maru_abi_device_info info;
    said_info.kind = 99;
    said_info.name = NULL;
    assert_ok(read_info(&info));
    assert_string_equal(maru_device_kind_name(info.kind), "other");
    said_info.memory_kinds.count = 0;
    assert_fails(read_info(&info), MARU_INTERNAL, "no memory kind");
    said_info.memory_kinds = (maru_abi_array){&crooked, 1, sizeof crooked};
    assert_fails(read_info(&info), MARU_INTERNAL, "alignment 48");
    be_honest(NULL);
    said_info.features = (maru_abi_array){NULL, 3, 8};
    assert_fails(read_info(&info), MARU_INTERNAL, "no data");
    said_info.features = (maru_abi_array){&plain_kind, 1, 4};
    assert_fails(read_info(&info), MARU_INTERNAL, "a pointer has 8 bytes");
    be_honest(NULL);
    said_info.head.struct_size = 16;
    assert_fails(read_info(&info), MARU_INTERNAL, "filled 16 bytes");
    said_info.head.struct_size = sizeof info + 8;
    assert_fails(read_info(&info), MARU_INTERNAL, "bytes of a record of");
    be_honest(NULL);
    said_info.head.struct_size = offsetof(maru_abi_device_info, features);
    said_info.features = (maru_abi_array){(const void *)&info, UINT32_MAX, 8}; // beyond what it filled
    assert_ok(read_info(&info));
    assert_int_equal(info.features.count, 0);
}

static void counts_are_checked(void **state)
{
    (void)state;
    fixture f;
    uint32_t count = 0;
    char why[8];
    said_plugin_fns.device_count = say_count;
    said_count = 5000000;
    assert_ok(attach(&f));
    assert_fails(maru_plugin_device_count(f.plugin, &count, why, sizeof why), MARU_INTERNAL, "5000000 devices");
    said_count = 0;
    assert_ok(maru_plugin_device_count(f.plugin, &count, why, sizeof why));
    assert_string_equal(why, "wwwwwww");
    detach(&f);
}

/* ---- unknown answers: 3.6, 4.1; extensions: 3.8; events ---- */

static void unknown_answers_have_a_meaning(void **state)
{
    (void)state;
    fixture f;
    uint32_t verdict = 0;
    said_graph_fns.check = say_verdict;
    assert_ok(attach(&f));
    static const uint32_t said[] = {MARU_ABI_VERDICT_USABLE, MARU_ABI_VERDICT_NO, 4, 77};
    static const uint32_t read[] = {MARU_ABI_VERDICT_USABLE, MARU_ABI_VERDICT_NO, MARU_ABI_VERDICT_REBUILD,
                                    MARU_ABI_VERDICT_REBUILD};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        said_verdict = said[i];
        assert_ok(maru_plugin_check_program(f.plugin, 0, "x", 1, &verdict));
        assert_int_equal(verdict, read[i]);
    }
    detach(&f);
    said_graph_fns.check = refuse_verdict;
    assert_ok(attach(&f));
    assert_fails(maru_plugin_check_program(f.plugin, 0, "x", 1, &verdict), MARU_INTERNAL,
                 "plugin 'template-graph': check: unknown status -3: a b [31m"); // on one line, and harmless there
    detach(&f);
    said_graph_fns.check = NULL;
    assert_ok(attach(&f));
    assert_fails(maru_plugin_check_program(f.plugin, 0, "x", 1, &verdict), MARU_UNSUPPORTED, "implement check");
    detach(&f);
}

static void extensions_are_found_by_name(void **state)
{
    (void)state;
    fixture f;
    assert_ok(attach(&f));
    assert_null(maru_plugin_get_ext(f.plugin, "vendor.thing", 1)); // it has none to ask for
    detach(&f);
    said_plugin_fns.get_ext = say_ext;
    assert_ok(attach(&f));
    assert_ptr_equal(maru_plugin_get_ext(f.plugin, "vendor.thing", 2), &said_verdict);
    assert_null(maru_plugin_get_ext(f.plugin, "vendor.thing", 3));
    assert_null(maru_plugin_get_ext(f.plugin, "vendor.other", 1));
    detach(&f);
}

static void events_are_taken(void **state)
{
    (void)state;
    fixture f;
    maru_abi_event event;
    assert_ok(attach(&f));
    assert_ok(maru_plugin_poll_event(f.plugin, &event));
    assert_int_equal(event.kind, MARU_ABI_EVENT_NONE);
    detach(&f);
    said_plugin_fns.poll_events = say_event;
    said_event = (maru_abi_event){.head = MARU_ABI_HEAD(maru_abi_event), .kind = MARU_ABI_EVENT_DEVICE_REMOVED,
                                  .device = 3, .generation = 8};
    memset(said_event.message, 'm', sizeof said_event.message);
    assert_ok(attach(&f));
    assert_ok(maru_plugin_poll_event(f.plugin, &event));
    assert_int_equal(event.kind, MARU_ABI_EVENT_DEVICE_REMOVED);
    assert_int_equal(event.generation, 8);
    assert_int_equal(strlen(event.message), sizeof event.message - 1);
    detach(&f);
}

/* ---- programs: 8.2 ---- */

static maru_status compile_said(void)
{
    fixture f;
    test_graph g;
    maru_dev *dev = NULL;
    maru_dev_program *program = NULL;
    test_graph_init(&g, 0);
    const maru_abi_compile_request request = {.graph = &g.graph};
    assert_ok(attach(&f));
    assert_ok(maru_dev_open(f.plugin, 0, NULL, &dev));
    maru_status status = maru_dev_compile(dev, &request, NULL, &program);
    maru_dev_program_destroy(&program);
    assert_ok(maru_dev_close(&dev, false));
    detach(&f);
    return status;
}

static void programs_say_how_each_constant_is_bound(void **state)
{
    (void)state;
    assert_ok(compile_said());
    said_use.how = MARU_ABI_CONSTANT_BAKED;
    assert_ok(compile_said());
    said_use.how = 9;
    assert_fails(compile_said(), MARU_INTERNAL, "constant 0 is used in unknown way 9");
    said_use = (maru_abi_constant_use){.how = MARU_ABI_CONSTANT_PACKED, .layout = 1, .bytes = 64};
    assert_fails(compile_said(), MARU_INTERNAL, "and there is no pack");
    said_program.constants.count = 0;
    assert_fails(compile_said(), MARU_INTERNAL, "0 constants, the graph has 1");
    be_honest(NULL);
    said_program.needs_bind = 1;
    assert_fails(compile_said(), MARU_INTERNAL, "it needs program_bind, and there is none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(later_tables_are_taken, be_honest),
        cmocka_unit_test_setup(what_belongs_together_is_there_together, be_honest),
        cmocka_unit_test_setup(records_may_be_longer_or_shorter, be_honest),
        cmocka_unit_test_setup(descriptions_are_checked, be_honest),
        cmocka_unit_test_setup(counts_are_checked, be_honest),
        cmocka_unit_test_setup(unknown_answers_have_a_meaning, be_honest),
        cmocka_unit_test_setup(extensions_are_found_by_name, be_honest),
        cmocka_unit_test_setup(events_are_taken, be_honest),
        cmocka_unit_test_setup(programs_say_how_each_constant_is_bound, be_honest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
