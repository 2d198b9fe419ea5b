#include "cli/laptop/context_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::cli {

namespace {

// What a further position costs: sliding layers forget one for each that comes.
std::uint64_t bytes_per_token(const vindex::model_config& m, gemma4::kv_format format) {
  const auto number_bytes = format == gemma4::kv_format::f16 ? 2u : 4u;
  auto numbers = std::uint64_t{0};
  for (auto l = 0u; l < m.layers; ++l)
    if (!m.sliding[l])
      numbers += std::uint64_t{2} * m.kv_heads_of(l) * m.head_dim_of(l);
  return numbers * number_bytes;
}

} // namespace

std::string context_choice::text() const {
  switch (reason) {
  case context_reason::trained: return fmt::format("{} tokens, as the model was trained", tokens);
  case context_reason::memory:
    return fmt::format("{} tokens, as memory allows; the model was trained for {}", tokens,
                       trained);
  case context_reason::asked:
  case context_reason::usual: break;
  }
  return fmt::format("{} tokens", tokens);
}

context_choice choose_context(const vindex::model_config& model, gemma4::kv_format format,
                              std::optional<std::uint64_t> available_bytes) {
  auto out = context_choice{};
  out.trained = model.trained_context;
  out.tokens = out.trained != 0 ? out.trained : usual_context;
  out.reason = out.trained != 0 ? context_reason::trained : context_reason::usual;
  const auto each = bytes_per_token(model, format);
  if (!available_bytes || each == 0)
    return out;
  const auto least = std::min(out.tokens, usual_context);
  const auto most = std::max<std::uint64_t>(*available_bytes / 2 / each, least);
  if (most < out.tokens) {
    out.tokens = static_cast<std::uint32_t>(most / 1024 * 1024);
    out.tokens = std::max(out.tokens, least);
    out.reason = context_reason::memory;
  }
  return out;
}

} // namespace larql::cli
