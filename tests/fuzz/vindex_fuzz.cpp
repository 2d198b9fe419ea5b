// Fuzz target: index.json, the manifests, the head of a layer file and drafter.json from strangers.
//
// The first byte chooses what the rest is:
//   0  an index.json
//   1  a matrix manifest; the second byte is the binary logarithm of its data file's size
//   2  a vector manifest, likewise
//   3  a layer file: eight bytes of claimed file size, then its beginning
//   4  a drafter.json

#include "runtime/base/bytes.hpp"
#include "runtime/vindex/drafter.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/manifest.hpp"

namespace larql::vindex {
namespace {

void check_index(std::string_view text) {
  const auto parsed = parse_index(text, "index.json");
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("index.json"));
    return;
  }
  // What was accepted survives being written and read.
  const auto again = parse_index(write_index(*parsed, {}), "again");
  LARQL_CHECK(again && again->layers == parsed->layers && again->sliding == parsed->sliding);
}

void check_matrices(std::string_view text, std::uint64_t data_bytes) {
  const auto parsed = parse_matrix_manifest(text, "manifest", data_bytes);
  if (!parsed)
    return;
  for (const auto& e : *parsed)
    LARQL_CHECK(e.offset <= data_bytes && e.length <= data_bytes - e.offset &&
                e.length == quant::row_bytes(e.format, e.cols) * e.rows);
}

void check_vectors(std::string_view text, std::uint64_t data_bytes) {
  const auto parsed = parse_vector_manifest(text, "manifest", data_bytes);
  if (!parsed)
    return;
  for (const auto& [key, e] : *parsed)
    LARQL_CHECK(e.offset <= data_bytes && e.count * sizeof(float) <= data_bytes - e.offset);
}

void check_layer(std::span<const std::byte> head, std::uint64_t file_bytes) {
  const auto parsed = parse_layer_header(head, file_bytes, "layer");
  if (!parsed)
    return;
  for (const auto& e : parsed->entries) {
    LARQL_CHECK(parsed->gate_bytes <= parsed->gate_up_bytes && e.gate_up_offset <= file_bytes &&
                parsed->gate_up_bytes <= file_bytes - e.gate_up_offset);
    LARQL_CHECK(e.down_offset <= file_bytes && parsed->down_bytes <= file_bytes - e.down_offset);
  }
}

// For a model with the numbers of tiny ones, so that seeds fit it.
void check_drafter_json(std::string_view text) {
  auto model = model_config{};
  model.layers = 3;
  model.hidden = 256;
  model.vocab = 128;
  model.kv_heads = 2;
  model.global_kv_heads = 1;
  model.head_dim = 32;
  model.global_head_dim = 64;
  model.window = 8;
  model.sliding = {true, true, false};
  const auto parsed = parse_drafter(text, "drafter.json", model);
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("drafter.json"));
    return;
  }
  LARQL_CHECK(drafter_tensors(*parsed).size() == 11 * parsed->layers() + 4);
  const auto again = parse_drafter(write_drafter(*parsed, ""), "again", model);
  LARQL_CHECK(again && again->sliding == parsed->sliding && again->target == parsed->target);
}

void run(std::span<const std::byte> bytes) {
  if (bytes.size() < 2)
    return;
  const auto kind = static_cast<unsigned>(bytes[0]) % 5;
  const auto text = [&](std::size_t from) {
    return std::string_view{reinterpret_cast<const char*>(bytes.data()) + from,
                            bytes.size() - from};
  };
  const auto data_bytes = std::uint64_t{1} << (static_cast<unsigned>(bytes[1]) % 64);
  switch (kind) {
  case 0: return check_index(text(1));
  case 1: return check_matrices(text(2), data_bytes);
  case 2: return check_vectors(text(2), data_bytes);
  case 4: return check_drafter_json(text(1));
  default:
    if (bytes.size() >= 9)
      check_layer(bytes.subspan(9), load_u64(bytes, 1));
  }
}

} // namespace
} // namespace larql::vindex

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::vindex::run(std::as_bytes(std::span{data, size}));
  return 0;
}
