#include "actors/net/model_match.hpp"

#include "runtime/base/sha256.hpp"

#include <fmt/format.h>

#include <tuple>

namespace larql::actors {

namespace {

// Enough of a digest to tell two apart; `larql inspect` prints the whole.
std::string shortened(const schema::fingerprint& digest) {
  constexpr auto shown_bytes = 8u;
  return to_hex(std::span{digest}.first(shown_bytes)) + "…";
}

} // namespace

std::string model_difference(const schema::model_identity& here,
                             const schema::model_identity& there) {
  const std::tuple<const char*, std::uint32_t, std::uint32_t> shapes[] = {
      {"layers", here.layers, there.layers},
      {"hidden size", here.hidden, there.hidden},
      {"experts", here.experts, there.experts},
      {"expert width", here.expert_width, there.expert_width}};
  for (const auto& [what, a, b] : shapes)
    if (a != b)
      return fmt::format("{} {} here (\"{}\"), {} there (\"{}\")", what, a, here.name, b,
                         there.name);
  if (here.activation != there.activation)
    return fmt::format("activation function {} here (\"{}\"), {} there (\"{}\")",
                       quant::name_of(here.activation), here.name, quant::name_of(there.activation),
                       there.name);
  if (here.weights != there.weights)
    return fmt::format("another model of the same shape (\"{}\" here, \"{}\" there): its "
                       "norms and routers have other fingerprints",
                       here.name, there.name);
  if (here.weights_digest && there.weights_digest && here.weights_digest != there.weights_digest)
    return fmt::format("other weights of the experts: weights digest {} here (\"{}\"), {} there "
                       "(\"{}\")",
                       shortened(*here.weights_digest), here.name, shortened(*there.weights_digest),
                       there.name);
  return {};
}

schema::model_identity identity_of(const vindex::model_config& model,
                                   const vindex::weights_names& weights) {
  return {model.model.substr(0, schema::max_text_bytes),
          weights.fingerprint,
          model.layers,
          model.hidden,
          model.experts,
          model.expert_width,
          weights.digest,
          model.activation};
}

} // namespace larql::actors
