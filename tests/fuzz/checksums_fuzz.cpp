// Fuzz target: checksums.json and larql_slice.json from strangers.
//
// The first byte chooses: even for checksums, odd for the description of a slice.

#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/presence.hpp"

namespace larql::vindex {
namespace {

model_config small_model() {
  auto c = model_config{};
  c.layers = 3;
  c.experts = 8;
  return c;
}

void check_checksums(std::string_view text) {
  const auto parsed = parse_checksums(text, "sums");
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("sums"));
    return;
  }
  const auto again = parse_checksums(write_checksums(*parsed), "again");
  LARQL_CHECK(again && *again == *parsed);
  for (const auto& [name, sum] : parsed->files)
    LARQL_CHECK(is_file_name(name));
  const auto digest = weights_digest(*parsed);
  LARQL_CHECK(digest.empty() || digest_from_hex(digest));
}

void check_presence(std::string_view text) {
  const auto model = small_model();
  const auto parsed = parse_presence(text, "slice", model);
  if (!parsed) {
    LARQL_CHECK(parsed.error().text.starts_with("slice"));
    return;
  }
  const auto again = parse_presence(write_presence(*parsed), "again", model);
  LARQL_CHECK(again && *again == *parsed);
  LARQL_CHECK(parsed->has_all(everything(model)) ==
              static_cast<bool>(require_experts("dir", *parsed, everything(model))));
}

} // namespace
} // namespace larql::vindex

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto text = std::string_view{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (data[0] % 2 == 0)
    larql::vindex::check_checksums(text);
  else
    larql::vindex::check_presence(text);
  return 0;
}
