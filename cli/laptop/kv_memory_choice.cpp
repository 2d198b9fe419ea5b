#include "cli/laptop/kv_memory_choice.hpp"

#include "runtime/base/format_bytes.hpp"

#include <fmt/format.h>

namespace larql::cli {

std::string kv_memory_choice::text() const {
  const auto n = sequences();
  return fmt::format("KV memory: {}, {} sequence{} of {} tokens", format_bytes(bytes),
                     n == 0 ? std::string{"less than one"} : fmt::format("{}", n), n > 1 ? "s" : "",
                     context);
}

kv_memory_choice choose_kv_memory(const vindex::model_config& model, gemma4::kv_format format,
                                  std::uint32_t context, std::uint32_t chunk,
                                  std::optional<std::uint64_t> asked,
                                  std::optional<std::uint64_t> available_bytes,
                                  std::uint64_t weight_bytes) {
  auto out = kv_memory_choice{};
  out.context = context;
  out.per_sequence = gemma4::kv_bytes(model, format, context, chunk);
  out.asked = asked.has_value();
  out.bytes =
      asked ? *asked : gemma4::usual_kv_memory(available_bytes, weight_bytes, out.per_sequence);
  return out;
}

} // namespace larql::cli
