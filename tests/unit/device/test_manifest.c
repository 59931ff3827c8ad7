// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device_test.h"

#include "device/manifest.h"

#include <elf.h>

#define GOOD "name=x1\nvendor=v\nversion=1\nlicence=l\ntiers=KG\nopset=21\nopset.com.acme=2\nlater=new\n"

/* A file with one note segment, made by hand so that each part can be wrong. */
typedef struct {
    uint8_t bytes[2048];
    size_t n_bytes;
} elf_file;

#define NOTE_AT (sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))

static Elf64_Ehdr *header_of(elf_file *file)
{
    return (Elf64_Ehdr *)(void *)file->bytes;
}

static Elf64_Phdr *segment_of(elf_file *file)
{
    return (Elf64_Phdr *)(void *)(file->bytes + sizeof(Elf64_Ehdr));
}

static uint32_t *note_of(elf_file *file)
{
    return (uint32_t *)(void *)(file->bytes + NOTE_AT);
}

static void make_elf(elf_file *file, const char *text)
{
    memset(file, 0, sizeof *file);
    uint32_t text_bytes = ((uint32_t)strlen(text) + 1 + 3) & ~3u;
    uint32_t note[] = {5, 16 + text_bytes, MARU_MANIFEST_TYPE, 0, 0, MARU_ABI_MAJOR | MARU_ABI_MINOR << 16,
                       MARU_ABI_SEAL, (uint32_t)MARU_ABI_HASH, (uint32_t)(MARU_ABI_HASH >> 32)};
    memcpy(note + 3, MARU_MANIFEST_OWNER, sizeof MARU_MANIFEST_OWNER);
    file->n_bytes = NOTE_AT + sizeof note + text_bytes;
    memcpy(file->bytes + NOTE_AT, note, sizeof note);
    memcpy(file->bytes + NOTE_AT + sizeof note, text, strlen(text));
    Elf64_Ehdr *h = header_of(file);
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS64;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_type = ET_DYN;
    h->e_phoff = sizeof *h;
    h->e_phentsize = sizeof(Elf64_Phdr);
    h->e_phnum = 1;
    *segment_of(file) = (Elf64_Phdr){
        .p_type = PT_NOTE,
        .p_offset = NOTE_AT,
        .p_filesz = sizeof note + text_bytes,
        .p_align = 4,
    };
}

static maru_status parse(const elf_file *file)
{
    maru_manifest m;
    /* A copy of the exact size, so that a sanitizer sees a read past the end. */
    uint8_t *copy = malloc(file->n_bytes ? file->n_bytes : 1);
    assert_non_null(copy);
    memcpy(copy, file->bytes, file->n_bytes);
    maru_status status = maru_manifest_from_elf("a.so", copy, file->n_bytes, &m);
    free(copy);
    maru_manifest_fini(&m);
    return status;
}

static void test_good(void **state)
{
    (void)state;
    elf_file file;
    maru_manifest m;
    make_elf(&file, GOOD);
    assert_ok(maru_manifest_from_elf("a.so", file.bytes, file.n_bytes, &m));
    assert_string_equal(m.name, "x1");
    assert_true(m.tier_k && m.tier_g);
    assert_int_equal(maru_manifest_ceiling(&m, ""), 21);
    assert_int_equal(maru_manifest_ceiling(&m, "com.acme"), 2);
    assert_int_equal(maru_manifest_ceiling(&m, "other"), 0);
    assert_string_equal(m.opens, "");
    assert_ok(maru_manifest_check(&m, "a.so"));
    maru_manifest_fini(&m);
}

static void test_wrong_file(void **state)
{
    (void)state;
    elf_file file;
    make_elf(&file, GOOD);
    file.bytes[0] = 'X';
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "not a shared object");
    file.n_bytes = 3;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "not a shared object");
    make_elf(&file, GOOD);
    header_of(&file)->e_ident[EI_CLASS] = ELFCLASS32;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "32-bit");
    make_elf(&file, GOOD);
    header_of(&file)->e_ident[EI_DATA] = ELFDATA2MSB;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "big-endian");
    make_elf(&file, GOOD);
    header_of(&file)->e_type = ET_REL;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "type 1 is not a shared object");
}

static void test_wrong_note(void **state)
{
    (void)state;
    elf_file file;
    make_elf(&file, GOOD);
    segment_of(&file)->p_type = PT_LOAD;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "no manifest note");
    make_elf(&file, GOOD);
    note_of(&file)[2] = 7;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "type 7");
    make_elf(&file, GOOD);
    memcpy(note_of(&file) + 3, "mara", 4);
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "no manifest note");
}

/* The names of sections are read only to say better why. */
static void test_wrong_owner_in_section(void **state)
{
    (void)state;
    static const char names[] = "\0.note.maru";
    elf_file file;
    make_elf(&file, GOOD);
    memcpy(note_of(&file) + 3, "mara", 4);
    size_t at = (file.n_bytes + 7) & ~(size_t)7;
    Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(file.bytes + at);
    sections[0] = (Elf64_Shdr){.sh_offset = at + 2 * sizeof *sections, .sh_size = sizeof names};
    sections[1] = (Elf64_Shdr){.sh_name = 1, .sh_offset = NOTE_AT, .sh_size = segment_of(&file)->p_filesz};
    memcpy(file.bytes + at + 2 * sizeof *sections, names, sizeof names);
    header_of(&file)->e_shoff = at;
    header_of(&file)->e_shnum = 2;
    header_of(&file)->e_shentsize = sizeof *sections;
    file.n_bytes = at + 2 * sizeof *sections + sizeof names;
    assert_fails(parse(&file), MARU_INVALID_ARGUMENT, "owned by 'mara'");
}

/* Whatever the length, and whatever byte is changed: an error or a manifest, no read past the end. */
static void test_damaged(void **state)
{
    (void)state;
    elf_file file;
    make_elf(&file, GOOD);
    size_t whole = file.n_bytes;
    for (file.n_bytes = 0; file.n_bytes < whole; file.n_bytes++)
        assert_int_not_equal(parse(&file), MARU_OK);
    for (size_t i = 0; i < whole; i++) {
        for (int bit = 0; bit < 8; bit++) {
            file.bytes[i] ^= (uint8_t)(1 << bit);
            parse(&file);
            file.bytes[i] ^= (uint8_t)(1 << bit);
        }
    }
    make_elf(&file, GOOD);
    segment_of(&file)->p_offset = UINT64_MAX - 8;
    assert_fails(parse(&file), MARU_DATA_LOSS, "truncated");
    make_elf(&file, GOOD);
    note_of(&file)[1] = UINT32_MAX;
    assert_fails(parse(&file), MARU_DATA_LOSS, "longer than its segment");
    make_elf(&file, GOOD);
    header_of(&file)->e_phoff = UINT64_MAX;
    assert_fails(parse(&file), MARU_DATA_LOSS, "program headers");
    make_elf(&file, GOOD);
    note_of(&file)[1] = 12;
    assert_fails(parse(&file), MARU_DATA_LOSS, "too few");
}

static maru_status parse_text(const char *text)
{
    maru_manifest m;
    maru_status status = maru_manifest_from_text("a.so", text, &m);
    maru_manifest_fini(&m);
    return status;
}

static void test_text(void **state)
{
    (void)state;
    assert_fails(parse_text("vendor=v\nversion=1\nlicence=l\ntiers=K\n"), MARU_INVALID_ARGUMENT, "'name' is missing");
    assert_fails(parse_text("name=x\nvendor=v\nversion=1\nlicence=l\n"), MARU_INVALID_ARGUMENT,
                 "'tiers' is missing");
    assert_fails(parse_text("name=X!\nvendor=v\nversion=1\nlicence=l\ntiers=K\n"), MARU_INVALID_ARGUMENT,
                 "name 'X!'");
    assert_fails(parse_text("name=x\nvendor=v\nversion=1\nlicence=l\ntiers=Q\n"), MARU_INVALID_ARGUMENT,
                 "tiers 'Q' is unknown");
    assert_fails(parse_text("name=x\nname=y\n"), MARU_INVALID_ARGUMENT, "twice");
    assert_fails(parse_text("opset=many\n"), MARU_INVALID_ARGUMENT, "'many'");
    assert_fails(parse_text("opset=1\nopset=2\n"), MARU_INVALID_ARGUMENT, "twice");
    assert_fails(parse_text("nonsense\n"), MARU_INVALID_ARGUMENT, "'nonsense' is not key=value");
    assert_fails(parse_text("name=\x01\n"), MARU_INVALID_ARGUMENT, "control character");
}

static void test_check(void **state)
{
    (void)state;
    maru_manifest m;
    assert_ok(maru_manifest_from_text("a.so", GOOD, &m));
    m.abi_major = 2;
    assert_fails(maru_manifest_check(&m, "a.so"), MARU_FAILED_PRECONDITION, "built for ABI 2.0");
    m.abi_major = MARU_ABI_MAJOR;
    m.abi_seal = !MARU_ABI_SEAL;
    assert_fails(maru_manifest_check(&m, "a.so"), MARU_FAILED_PRECONDITION, "sealed");
    m.abi_seal = MARU_ABI_SEAL;
    m.abi_hash ^= 1;
    if (MARU_ABI_SEAL == 0)
        assert_fails(maru_manifest_check(&m, "a.so"), MARU_FAILED_PRECONDITION, "other headers");
    m.abi_hash ^= 1;
    m.abi_minor = 99; // a later minor version never refuses
    m.sanitizer = "strange";
    assert_fails(maru_manifest_check(&m, "a.so"), MARU_FAILED_PRECONDITION, "sanitizer 'strange'");
    m.sanitizer = "";
    assert_ok(maru_manifest_check(&m, "a.so"));
    maru_manifest_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_wrong_file),
        cmocka_unit_test(test_wrong_note), cmocka_unit_test(test_wrong_owner_in_section),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_text),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
