// Fuzz target: the head of a safetensors file and config.json of a Hugging Face checkpoint from
// strangers.
//
// The first byte chooses: even for a whole safetensors file, odd for a config.json.

#include "runtime/import/hf_config.hpp"
#include "runtime/import/safetensors.hpp"

namespace larql::import {
namespace {

void check_file(std::span<const std::byte> bytes) {
  const auto parsed = parse_safetensors(bytes, bytes.size(), "file");
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("file"));
    return;
  }
  auto at = parsed->data_offset;
  for (const auto& t : parsed->tensors) {
    LARQL_CHECK(parsed->data_offset + t.begin == at && t.bytes <= bytes.size() - at);
    LARQL_CHECK(!t.shape.empty());
    at += t.bytes;
  }
  LARQL_CHECK(at == bytes.size());
}

void check_config(std::string_view text) {
  const auto parsed = parse_hf_config(text, "config");
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("config"));
    return;
  }
  LARQL_CHECK(parsed->model.sliding.size() == parsed->model.layers);
  (void) vindex::check_config(parsed->model, "config");
}

} // namespace
} // namespace larql::import

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto rest = std::as_bytes(std::span{data, size}).subspan(1);
  if (data[0] % 2 == 0)
    larql::import::check_file(rest);
  else
    larql::import::check_config({reinterpret_cast<const char*>(rest.data()), rest.size()});
  return 0;
}
