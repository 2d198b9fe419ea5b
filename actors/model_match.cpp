#include "actors/model_match.hpp"

#include "actors/net/handshake.hpp"
#include "runtime/base/sha256.hpp"

#include <fmt/format.h>

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
  if (auto differs = difference(here, there); !differs.empty())
    return differs;
  if (here.weights_digest && there.weights_digest && here.weights_digest != there.weights_digest)
    return fmt::format("other weights of the experts: weights digest {} here (\"{}\"), {} there "
                       "(\"{}\")",
                       shortened(*here.weights_digest), here.name, shortened(*there.weights_digest),
                       there.name);
  return {};
}

} // namespace larql::actors
