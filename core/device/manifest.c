// SPDX-FileCopyrightText: The Maru authors
// SPDX-License-Identifier: Apache-2.0
#include "device/manifest.h"

#include "base/fail.h"
#include "base/str.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_FIXED 16u    // ABI version, seal and hash, before the text
#define MAX_TEXT 65536u

#if defined(__SANITIZE_ADDRESS__)
#define HOST_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define HOST_SANITIZER "thread"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_SANITIZER "address"
#elif __has_feature(thread_sanitizer)
#define HOST_SANITIZER "thread"
#elif __has_feature(memory_sanitizer)
#define HOST_SANITIZER "memory"
#endif
#endif
#ifndef HOST_SANITIZER
#define HOST_SANITIZER ""
#endif

typedef struct {
    const char *path;
    const uint8_t *data;
    size_t bytes;
} image;

static bool has_range(const image *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->bytes && bytes <= file->bytes - offset;
}

/* Copies a record out: nothing in the file is aligned for certain. */
static bool read_at(const image *file, uint64_t offset, void *out, size_t bytes)
{
    if (!has_range(file, offset, bytes))
        return false;
    memcpy(out, file->data + offset, bytes);
    return true;
}

/* ---- ELF ------------------------------------------------------------------ */

static maru_status check_elf_header(const image *file, Elf64_Ehdr *out_header)
{
    if (file->bytes < EI_NIDENT || memcmp(file->data, ELFMAG, SELFMAG) != 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: not a shared object (no ELF header)", file->path);
    if (file->data[EI_CLASS] != ELFCLASS64)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: a 32-bit object; plugins are 64-bit", file->path);
    if (file->data[EI_DATA] != ELFDATA2LSB)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: a big-endian object; plugins are little-endian", file->path);
    if (!read_at(file, 0, out_header, sizeof *out_header))
        return maru_fail(MARU_DATA_LOSS, "%s: truncated: %zu bytes do not hold an ELF header", file->path,
                         file->bytes);
    if (out_header->e_type != ET_DYN)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: ELF type %u is not a shared object", file->path,
                         out_header->e_type);
    return MARU_OK;
}

typedef struct {
    bool found;
    uint64_t text_offset;
    uint64_t text_bytes;
    uint32_t other_type; // of a note of ours with a type we do not know
    bool has_other_type;
    char other_owner[16];
} note_search;

/* One note at `offset`; gives the offset of the next, or 0 when the rest is damaged. */
static uint64_t visit_note(const image *file, uint64_t offset, uint64_t end, uint64_t align, note_search *search)
{
    Elf64_Nhdr note;
    if (end - offset < sizeof note || !read_at(file, offset, &note, sizeof note))
        return 0;
    uint64_t owner = offset + sizeof note;
    uint64_t desc = (owner + note.n_namesz + align - 1) & ~(align - 1);
    uint64_t next = (desc + note.n_descsz + align - 1) & ~(align - 1);
    if (desc > end || note.n_descsz > end - desc)
        return 0;
    if (note.n_namesz == sizeof MARU_MANIFEST_OWNER &&
        memcmp(file->data + owner, MARU_MANIFEST_OWNER, sizeof MARU_MANIFEST_OWNER) == 0) {
        if (note.n_type != MARU_MANIFEST_TYPE) {
            search->has_other_type = true;
            search->other_type = note.n_type;
        } else {
            search->found = true;
            search->text_offset = desc;
            search->text_bytes = note.n_descsz;
        }
    } else if (note.n_namesz > 0) {
        size_t n = note.n_namesz < sizeof search->other_owner ? note.n_namesz : sizeof search->other_owner;
        memcpy(search->other_owner, file->data + owner, n);
        search->other_owner[n - 1] = '\0';
    }
    return next > end ? end : next;
}

static maru_status search_notes(const image *file, uint64_t offset, uint64_t bytes, uint64_t align,
                                note_search *search)
{
    if (!has_range(file, offset, bytes))
        return maru_fail(MARU_DATA_LOSS, "%s: truncated: its notes lie past the end of the file", file->path);
    uint64_t end = offset + bytes;
    while (offset < end && !search->found) {
        uint64_t next = visit_note(file, offset, end, align == 8 ? 8 : 4, search);
        if (next == 0)
            return maru_fail(MARU_DATA_LOSS, "%s: truncated: a note is longer than its segment", file->path);
        offset = next;
    }
    return MARU_OK;
}

static maru_status search_segments(const image *file, const Elf64_Ehdr *header, note_search *search)
{
    if (header->e_phentsize != sizeof(Elf64_Phdr) ||
        !has_range(file, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr)))
        return maru_fail(MARU_DATA_LOSS, "%s: truncated: its program headers lie past the end of the file",
                         file->path);
    for (uint16_t i = 0; i < header->e_phnum && !search->found; i++) {
        Elf64_Phdr segment;
        if (!read_at(file, header->e_phoff + (uint64_t)i * sizeof segment, &segment, sizeof segment))
            break;
        if (segment.p_type == PT_NOTE)
            MARU_TRY(search_notes(file, segment.p_offset, segment.p_filesz, segment.p_align, search));
    }
    return MARU_OK;
}

/* Only to say better why: the owner of the note in a section called .note.maru, or "". */
static const char *owner_in_section(const image *file, const Elf64_Ehdr *header, note_search *search)
{
    Elf64_Shdr names;
    search->other_owner[0] = '\0';
    if (header->e_shentsize != sizeof names ||
        !has_range(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof names) ||
        header->e_shstrndx >= header->e_shnum ||
        !read_at(file, header->e_shoff + (uint64_t)header->e_shstrndx * sizeof names, &names, sizeof names))
        return "";
    for (uint16_t i = 0; i < header->e_shnum; i++) {
        Elf64_Shdr section;
        char name[sizeof MARU_MANIFEST_SECTION];
        if (!read_at(file, header->e_shoff + (uint64_t)i * sizeof section, &section, sizeof section) ||
            section.sh_name >= names.sh_size || names.sh_offset > file->bytes ||
            !read_at(file, names.sh_offset + section.sh_name, name, sizeof name))
            continue;
        if (memcmp(name, MARU_MANIFEST_SECTION, sizeof name) == 0 &&
            search_notes(file, section.sh_offset, section.sh_size, 4, search) == MARU_OK)
            return search->other_owner;
    }
    return "";
}

/* ---- text ----------------------------------------------------------------- */

static const char *const known_keys[] = {
    "name", "vendor", "version", "licence", "tiers", "opset", "dtypes", "opens", "sanitizer",
};

static const char **slot_of(maru_manifest *m, const char *key)
{
    const char **slots[] = {
        &m->name, &m->vendor, &m->version, &m->licence, &m->tiers, NULL, &m->dtypes, &m->opens, &m->sanitizer,
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        if (slots[i] && strcmp(key, known_keys[i]) == 0)
            return slots[i];
    }
    return NULL;
}

static maru_status add_domain(maru_manifest *m, const char *path, const char *domain, const char *value)
{
    int64_t version = 0;
    if (!maru_parse_i64(value, &version) || version < 1 || version > UINT32_MAX)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: opset '%s' is not a version number", path, value);
    if (m->n_domains == MARU_MANIFEST_MAX_DOMAINS)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: more than %d operator domains", path,
                         MARU_MANIFEST_MAX_DOMAINS);
    if (maru_manifest_ceiling(m, domain) != 0)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: the opset of domain '%s' stands there twice", path,
                         domain);
    m->domains[m->n_domains++] = (maru_manifest_domain){.name = domain, .version = (uint32_t)version};
    return MARU_OK;
}

/* A key that this host does not know is skipped: a later minor version may add some. */
static maru_status add_line(maru_manifest *m, const char *path, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals || equals == line)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: '%.60s' is not key=value", path, line);
    *equals = '\0';
    const char *value = equals + 1;
    if (strcmp(line, "opset") == 0)
        return add_domain(m, path, "", value);
    if (maru_starts_with(line, "opset."))
        return add_domain(m, path, line + strlen("opset."), value);
    const char **slot = slot_of(m, line);
    if (!slot)
        return MARU_OK;
    if (*slot)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: key '%s' stands there twice", path, line);
    *slot = value;
    return MARU_OK;
}

static maru_status split_lines(maru_manifest *m, const char *path)
{
    for (char *line = m->text; *line;) {
        char *end = strchr(line, '\n');
        char *next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = '\0';
        for (const char *c = line; *c; c++) {
            if ((unsigned char)*c < 0x20 || *c == 0x7F)
                return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: a control character (0x%02x)", path,
                                 (unsigned char)*c);
        }
        if (*line)
            MARU_TRY(add_line(m, path, line));
        line = next;
    }
    return MARU_OK;
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 32 && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static maru_status check_keys(maru_manifest *m, const char *path)
{
    for (size_t i = 0; i < 5; i++) {
        const char **slot = slot_of(m, known_keys[i]);
        if (!*slot || !**slot)
            return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: the key '%s' is missing", path, known_keys[i]);
    }
    if (!is_name(m->name))
        return maru_fail(MARU_INVALID_ARGUMENT,
                         "%s: manifest: name '%s' must be a letter and up to 30 of a-z, 0-9, '_' and '-'", path,
                         m->name);
    m->tier_k = strcmp(m->tiers, "K") == 0 || strcmp(m->tiers, "KG") == 0;
    m->tier_g = strcmp(m->tiers, "G") == 0 || strcmp(m->tiers, "KG") == 0;
    if (!m->tier_k && !m->tier_g)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: tiers '%s' is unknown; there are K, G and KG", path,
                         m->tiers);
    m->dtypes = m->dtypes ? m->dtypes : "";
    m->opens = m->opens ? m->opens : "";
    m->sanitizer = m->sanitizer ? m->sanitizer : "";
    return MARU_OK;
}

static maru_status parse_text(const char *path, const char *text, size_t bytes, maru_manifest *m)
{
    const char *end = memchr(text, '\0', bytes);
    if (!end)
        return maru_fail(MARU_DATA_LOSS, "%s: manifest: its text is truncated (no end within %zu bytes)", path,
                         bytes);
    size_t length = (size_t)(end - text);
    m->text = malloc(length + 1);
    if (!m->text)
        return maru_fail_oom("a manifest");
    memcpy(m->text, text, length + 1);
    maru_status status = split_lines(m, path);
    if (status == MARU_OK)
        status = check_keys(m, path);
    if (status != MARU_OK)
        maru_manifest_fini(m);
    return status;
}

/* ---- public --------------------------------------------------------------- */

static maru_status parse_note(const image *file, const note_search *search, maru_manifest *m)
{
    uint32_t words[NOTE_FIXED / 4];
    if (search->text_bytes <= NOTE_FIXED || !read_at(file, search->text_offset, words, sizeof words))
        return maru_fail(MARU_DATA_LOSS, "%s: manifest: %llu bytes are too few", file->path,
                         (unsigned long long)search->text_bytes);
    if (search->text_bytes - NOTE_FIXED > MAX_TEXT)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: manifest: %llu bytes of text are more than %u", file->path,
                         (unsigned long long)(search->text_bytes - NOTE_FIXED), MAX_TEXT);
    m->abi_major = (uint16_t)(words[0] & 0xFFFF);
    m->abi_minor = (uint16_t)(words[0] >> 16);
    m->abi_seal = words[1];
    m->abi_hash = (uint64_t)words[3] << 32 | words[2];
    return parse_text(file->path, (const char *)file->data + search->text_offset + NOTE_FIXED,
                      (size_t)(search->text_bytes - NOTE_FIXED), m);
}

maru_status maru_manifest_from_elf(const char *path, const uint8_t *data, size_t bytes, maru_manifest *out_manifest)
{
    *out_manifest = (maru_manifest){0};
    image file = {.path = path, .data = data, .bytes = bytes};
    Elf64_Ehdr header;
    MARU_TRY(check_elf_header(&file, &header));
    note_search search = {0};
    MARU_TRY(search_segments(&file, &header, &search));
    if (search.found)
        return parse_note(&file, &search, out_manifest);
    if (search.has_other_type)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: its maru note has type %u, a manifest has %d", path,
                         search.other_type, MARU_MANIFEST_TYPE);
    const char *owner = owner_in_section(&file, &header, &search);
    if (*owner)
        return maru_fail(MARU_INVALID_ARGUMENT, "%s: the note in section %s is owned by '%s', a manifest by '%s'",
                         path, MARU_MANIFEST_SECTION, owner, MARU_MANIFEST_OWNER);
    return maru_fail(MARU_INVALID_ARGUMENT, "%s: not a Maru plugin (it has no manifest note)", path);
}

maru_status maru_manifest_from_text(const char *path, const char *text, maru_manifest *out_manifest)
{
    *out_manifest = (maru_manifest){
        .abi_major = MARU_ABI_MAJOR,
        .abi_minor = MARU_ABI_MINOR,
        .abi_seal = MARU_ABI_SEAL,
        .abi_hash = MARU_ABI_HASH,
    };
    return parse_text(path, text, strlen(text) + 1, out_manifest);
}

void maru_manifest_fini(maru_manifest *manifest)
{
    free(manifest->text);
    *manifest = (maru_manifest){0};
}

maru_status maru_manifest_check(const maru_manifest *m, const char *path)
{
    if (m->abi_major != MARU_ABI_MAJOR)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: plugin '%s' is built for ABI %u.%u, this host speaks %d.%d",
                         path, m->name, m->abi_major, m->abi_minor, MARU_ABI_MAJOR, MARU_ABI_MINOR);
    if (m->abi_seal != MARU_ABI_SEAL)
        return maru_fail(MARU_FAILED_PRECONDITION,
                         "%s: plugin '%s' is built from %s headers, this host from %s ones: build it again", path,
                         m->name, m->abi_seal ? "sealed" : "unsealed", MARU_ABI_SEAL ? "sealed" : "unsealed");
    if (MARU_ABI_SEAL == 0 && m->abi_hash != MARU_ABI_HASH)
        return maru_fail(MARU_FAILED_PRECONDITION,
                         "%s: plugin '%s' is built from other headers (hash %016llx, this host's %016llx), and the "
                         "ABI is not sealed yet: build it again",
                         path, m->name, (unsigned long long)m->abi_hash, (unsigned long long)MARU_ABI_HASH);
    if (*m->sanitizer && strcmp(m->sanitizer, HOST_SANITIZER) != 0)
        return maru_fail(MARU_FAILED_PRECONDITION, "%s: plugin '%s' is built with sanitizer '%s', this program %s%s",
                         path, m->name, m->sanitizer, *HOST_SANITIZER ? "with " : "without one", HOST_SANITIZER);
    return MARU_OK;
}

uint32_t maru_manifest_ceiling(const maru_manifest *manifest, const char *domain)
{
    for (size_t i = 0; i < manifest->n_domains; i++) {
        if (strcmp(manifest->domains[i].name, domain) == 0)
            return manifest->domains[i].version;
    }
    return 0;
}
