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

std::string model_difference(const schema::model_identity& a, std::string_view where_a,
                             const schema::model_identity& b, std::string_view where_b) {
  const auto differ = [&](std::string_view what, const auto& of_a, const auto& of_b) {
    return fmt::format("{} {} {} (\"{}\"), {} {} (\"{}\")", what, of_a, where_a, a.name, of_b,
                       where_b, b.name);
  };
  const std::tuple<const char*, std::uint32_t, std::uint32_t> shapes[] = {
      {"layers", a.layers, b.layers},
      {"hidden size", a.hidden, b.hidden},
      {"experts", a.experts, b.experts},
      {"expert width", a.expert_width, b.expert_width}};
  for (const auto& [what, of_a, of_b] : shapes)
    if (of_a != of_b)
      return differ(what, of_a, of_b);
  if (a.activation != b.activation)
    return differ("activation function", quant::name_of(a.activation),
                  quant::name_of(b.activation));
  if (a.weights != b.weights)
    return fmt::format("another model of the same shape (\"{}\" {}, \"{}\" {}): its norms and "
                       "routers have other fingerprints",
                       a.name, where_a, b.name, where_b);
  if (a.weights_digest && b.weights_digest && a.weights_digest != b.weights_digest)
    return "other weights of the experts: " +
           differ("weights digest", shortened(*a.weights_digest), shortened(*b.weights_digest));
  return {};
}

std::string experts_difference(const schema::node_description& node,
                               const std::optional<schema::fingerprint>& digest,
                               const owned_digest_fn& own) {
  if (!digest || !own)
    return {};
  const auto of = node.narrowed_from.value_or(node.owned);
  const auto here = own(of);
  if (!here || *here == *digest)
    return {};
  return fmt::format("other weights of experts {} in layers {}: their digest is {} on the node, {} "
                     "on the laptop",
                     to_string(of.experts), to_string(of.layers), shortened(*digest),
                     shortened(*here));
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
