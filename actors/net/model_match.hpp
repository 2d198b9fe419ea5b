// Whether two peers hold the same model, and what differs if they do not.
//
// Threads   Pure functions.

#pragma once

#include "runtime/vindex/fingerprint.hpp"
#include "schema/messages.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace larql::actors {

/// What peers compare: the model's shape and the names of its weights.
[[nodiscard]] schema::model_identity identity_of(const vindex::model_config& model,
                                                 const vindex::weights_names& weights);

/// The digest of these experts' weights as this side knows it; none: unknown. From any thread.
using owned_digest_fn =
    std::function<std::optional<schema::fingerprint>(const experts::ownership&)>;

/// What differs between the experts that a node owns and the same ones here. Empty if nothing does,
/// as far as both sides know. `digest` is the node's; `own` may be null.
[[nodiscard]] std::string experts_difference(const schema::node_description& node,
                                             const std::optional<schema::fingerprint>& digest,
                                             const owned_digest_fn& own);

/// What differs between two models, for messages: a shape, the fingerprint of norms and routers, or
/// the digest of the experts' weights. Empty if nothing does, as far as both sides know. The texts
/// say where each model is, "on the node" for example: they are read on either side.
[[nodiscard]] std::string model_difference(const schema::model_identity& a,
                                           std::string_view where_a,
                                           const schema::model_identity& b,
                                           std::string_view where_b);

} // namespace larql::actors
