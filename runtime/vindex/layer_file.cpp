#include "runtime/vindex/layer_file.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/file_hash.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::vindex {

namespace {

using quant::encoding;

// Version 1 rounds the inner width up to 256.
std::uint32_t padded_width(std::uint32_t width) {
  return (width + 255) / 256 * 256;
}

std::uint32_t version_for(const layer_header& h) {
  const auto& f = h.formats;
  if (f.gate != f.up)
    return layer_version_3;
  const auto fits_1 =
      f.gate == f.down && layer_code(f.down) < 64 && h.down_cols == padded_width(h.width);
  return fits_1 ? layer_version_1 : layer_version_2;
}

std::uint32_t header_bytes(std::uint32_t version) {
  return version == layer_version_1   ? layer_header_bytes_1
         : version == layer_version_2 ? layer_header_bytes_2
                                      : layer_header_bytes_3;
}

std::uint64_t gate_up_size(const layer_header& h, encoding format) {
  return h.width * quant::row_bytes(format, h.hidden);
}

result<encoding> format_from(std::uint32_t code, std::string_view name, const char* field) {
  if (const auto e = encoding_from_layer_code(code))
    return *e;
  return fail(errc::unsupported, "{}: field \"{}\" is {}, which is no known format code", name,
              field, code);
}

struct range {
  std::uint64_t begin;
  std::uint64_t end;
};

result<void> check_ranges(std::vector<range> ranges, std::string_view name) {
  std::sort(ranges.begin(), ranges.end(),
            [](const range& a, const range& b) { return a.begin < b.begin; });
  for (auto i = std::size_t{1}; i < ranges.size(); ++i)
    if (ranges[i].begin < ranges[i - 1].end)
      return fail(errc::corrupt, "{}: bytes {} to {} and {} to {} of two entries overlap", name,
                  ranges[i - 1].begin, ranges[i - 1].end, ranges[i].begin, ranges[i].end);
  return {};
}

// The sizes that the header's numbers imply. Version 1 leaves the padding of down to be found out
// from the table, because files without padding exist.
result<void> check_sizes(layer_header& h, std::uint32_t version, std::uint64_t gate_up_bytes,
                         std::uint64_t down_bytes, std::string_view name) {
  for (const auto e : {h.formats.gate, h.formats.up})
    if (const auto block = quant::shape_of(e).weights; h.hidden % block != 0)
      return fail(errc::corrupt, "{}: field \"hidden\" is {}, expected a multiple of {} for {}",
                  name, h.hidden, block, quant::name_of(e));
  h.gate_bytes = gate_up_size(h, h.formats.gate);
  h.gate_up_bytes = h.gate_bytes + gate_up_size(h, h.formats.up);
  const auto down = h.formats.down;
  const auto down_size = [&](std::uint32_t cols) {
    return std::uint64_t{h.hidden} * quant::row_bytes(down, cols);
  };
  if (version == layer_version_1) {
    h.down_cols = padded_width(h.width);
    if (down_bytes != down_size(h.down_cols) && h.width % quant::shape_of(down).weights == 0)
      h.down_cols = h.width;
  }
  if (h.down_cols < h.width || h.down_cols % quant::shape_of(down).weights != 0)
    return fail(errc::corrupt, "{}: field \"down_cols\" is {}, expected whole {} blocks for {}",
                name, h.down_cols, quant::name_of(down), h.width);
  h.down_bytes = down_size(h.down_cols);
  if (gate_up_bytes != h.gate_up_bytes)
    return fail(errc::corrupt, "{}: entry 0: gate_up_bytes is {}, expected {}", name, gate_up_bytes,
                h.gate_up_bytes);
  if (down_bytes != h.down_bytes)
    return fail(errc::corrupt, "{}: entry 0: down_bytes is {}, expected {}", name, down_bytes,
                h.down_bytes);
  return {};
}

} // namespace

std::string names_of(const expert_formats& f) {
  const auto gate = quant::name_of(f.gate), down = quant::name_of(f.down);
  return f.gate == f.up ? fmt::format("{} and {}", gate, down)
                        : fmt::format("{}, {} and {}", gate, quant::name_of(f.up), down);
}

std::uint64_t layer_table_bytes(std::uint32_t version, std::uint64_t entries) noexcept {
  return header_bytes(version) + entries * layer_entry_bytes;
}

result<layer_header> parse_layer_header(std::span<const std::byte> head, std::uint64_t file_bytes,
                                        std::string_view name) {
  if (head.size() < layer_header_bytes_1)
    return fail(errc::corrupt, "{}: truncated: {} bytes, expected a header of {}", name,
                head.size(), layer_header_bytes_1);
  if (const auto magic = load_u32(head, 0); magic != layer_magic)
    return fail(errc::corrupt, "{}: magic is {:08x}, expected {:08x} (\"LYRW\")", name, magic,
                layer_magic);
  const auto version = load_u32(head, 4);
  if (version < layer_version_1 || version > layer_version_3)
    return fail(errc::unsupported, "{}: field \"version\" is {}, expected 1, 2 or 3", name,
                version);
  if (head.size() < header_bytes(version))
    return fail(errc::corrupt, "{}: truncated: {} bytes, expected a header of {}", name,
                head.size(), header_bytes(version));
  auto h = layer_header{};
  LARQL_TRY(h.formats.gate, format_from(load_u32(head, 8), name, "format"));
  const auto entries = load_u32(head, 12);
  h.width = load_u32(head, 16);
  h.hidden = load_u32(head, 20);
  h.formats.up = h.formats.down = h.formats.gate;
  if (version != layer_version_1) {
    LARQL_TRY(h.formats.down, format_from(load_u32(head, 24), name, "down_format"));
    h.down_cols = load_u32(head, 28);
  }
  if (version == layer_version_3) {
    LARQL_TRY(h.formats.up, format_from(load_u32(head, 32), name, "up_format"));
  }
  if (entries == 0 || entries > max_experts)
    return fail(errc::corrupt, "{}: field \"num_entries\" is {}, expected 1 to {}", name, entries,
                max_experts);
  if (h.width == 0 || h.width > max_width || h.hidden == 0 || h.hidden > max_width ||
      h.down_cols > max_width)
    return fail(errc::corrupt, "{}: intermediate {}, hidden {} or down_cols {} is out of range",
                name, h.width, h.hidden, h.down_cols);
  const auto table = layer_table_bytes(version, entries);
  if (head.size() < table)
    return fail(errc::corrupt, "{}: truncated: {} bytes, expected a table of {} entries", name,
                head.size(), entries);
  h.table_bytes = table;

  auto ranges = std::vector<range>{{0, table}};
  ranges.reserve(2 * std::size_t{entries} + 1);
  for (auto i = 0u; i < entries; ++i) {
    const auto at = table - (entries - i) * std::uint64_t{layer_entry_bytes};
    const auto field = [&](unsigned n) { return load_u64(head, at + 8u * n); };
    if (i == 0)
      LARQL_TRY_VOID(check_sizes(h, version, field(1), field(3), name));
    const auto add = [&](const char* what, std::uint64_t offset, std::uint64_t bytes,
                         std::uint64_t expected) -> result<void> {
      if (bytes != expected)
        return fail(errc::corrupt, "{}: entry {}: {}_bytes is {}, expected {}", name, i, what,
                    bytes, expected);
      if (offset > file_bytes || bytes > file_bytes - offset)
        return fail(errc::corrupt,
                    "{}: entry {}: {} at offset {} with {} bytes is past the end of the file ({} "
                    "bytes)",
                    name, i, what, offset, bytes, file_bytes);
      ranges.push_back({offset, offset + bytes});
      return {};
    };
    LARQL_TRY_VOID(add("gate_up", field(0), field(1), h.gate_up_bytes));
    LARQL_TRY_VOID(add("down", field(2), field(3), h.down_bytes));
    h.entries.push_back({field(0), field(2)});
  }
  LARQL_TRY_VOID(check_ranges(std::move(ranges), name));
  return h;
}

namespace {

template <class File>
result<layer_header> read_header(const File& in, const model_config& model,
                                 const sha256_digest* digest) {
  const auto name = in.path().string();
  in.advise(access_pattern::random); // what follows the table may be another node's experts
  // The version first: what follows the table of a shorter header need not be there.
  auto head =
      std::vector<std::byte>(std::min<std::uint64_t>(layer_header_bytes_1, in.size_bytes()));
  LARQL_TRY_VOID(in.read(0, head));
  if (head.size() == layer_header_bytes_1) {
    const auto wanted = layer_table_bytes(load_u32(head, 4), model.experts);
    head.resize(std::min(wanted, in.size_bytes()));
    LARQL_TRY_VOID(in.read(0, head));
  }
  // Compare the count first: a table of another size would look truncated.
  if (head.size() >= layer_header_bytes_1 && load_u32(head, 0) == layer_magic &&
      load_u32(head, 12) != model.experts)
    return fail(errc::mismatch, "{}: field \"num_entries\" is {}, expected {} as index.json says",
                name, load_u32(head, 12), model.experts);
  LARQL_TRY(auto h, parse_layer_header(head, in.size_bytes(), name));
  if (h.width != model.expert_width)
    return fail(errc::mismatch, "{}: field \"intermediate\" is {}, expected {} as index.json says",
                name, h.width, model.expert_width);
  if (h.hidden != model.hidden)
    return fail(errc::mismatch, "{}: field \"hidden\" is {}, expected {} as index.json says", name,
                h.hidden, model.hidden);
  if (digest != nullptr)
    if (const auto found = hash_bytes(std::span{head}.first(h.table_bytes)); found != *digest)
      return fail(errc::mismatch,
                  "{}: header and table of experts have the SHA-256 {}, expected {} as {} says: "
                  "the file was changed, or belongs to another model",
                  name, to_hex(found), to_hex(*digest), checksums_file);
  return h;
}

} // namespace

result<layer_header> read_layer_header(const file& in, const model_config& model,
                                       const sha256_digest* digest) {
  return read_header(in, model, digest);
}

result<layer_header> read_layer_header(const stored_file& in, const model_config& model,
                                       const sha256_digest* digest) {
  return read_header(in, model, digest);
}

std::vector<std::byte> write_layer_header(const layer_header& h) {
  const auto version = version_for(h);
  auto out = std::vector<std::byte>{};
  append_u32(out, layer_magic);
  append_u32(out, version);
  append_u32(out, layer_code(h.formats.gate));
  append_u32(out, static_cast<std::uint32_t>(h.entries.size()));
  append_u32(out, h.width);
  append_u32(out, h.hidden);
  if (version != layer_version_1) {
    append_u32(out, layer_code(h.formats.down));
    append_u32(out, h.down_cols);
  }
  if (version == layer_version_3)
    append_u32(out, layer_code(h.formats.up));
  for (const auto& e : h.entries) {
    append_u64(out, e.gate_up_offset);
    append_u64(out, h.gate_up_bytes);
    append_u64(out, e.down_offset);
    append_u64(out, h.down_bytes);
  }
  return out;
}

layer_header plan_layer(const expert_formats& formats, std::uint32_t experts, std::uint32_t width,
                        std::uint32_t hidden) {
  auto h = layer_header{};
  h.formats = formats;
  h.width = width;
  h.hidden = hidden;
  // K-quants need whole blocks of 256; the others fit the width as it is, and then the file saves
  // the padding that version 1 would add.
  h.down_cols = static_cast<std::uint32_t>(quant::padded_cols(formats.down, width));
  h.gate_bytes = gate_up_size(h, formats.gate);
  h.gate_up_bytes = h.gate_bytes + gate_up_size(h, formats.up);
  h.down_bytes = std::uint64_t{hidden} * quant::row_bytes(formats.down, h.down_cols);
  h.entries.resize(experts);
  h.table_bytes = layer_table_bytes(version_for(h), experts);
  auto at = h.table_bytes;
  for (auto& e : h.entries) {
    e.gate_up_offset = at;
    e.down_offset = at + h.gate_up_bytes;
    at += h.expert_bytes();
  }
  return h;
}

} // namespace larql::vindex
