// What operators ask a node and what it answers: ping, ask_status and control; pong, node_status
// and controlled. Each carries a number by which the two find each other.

#pragma once

#include "schema/messages.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <memory>

namespace larql::actors {

/// A request or an answer on its way between actors.
using admin_message_ptr = std::shared_ptr<const schema::message>;

/// The id of a request or an answer; null for any other message.
[[nodiscard]] inline std::uint64_t* request_id(schema::message& m) noexcept {
  if (auto* x = std::get_if<schema::ping>(&m))
    return &x->nonce;
  if (auto* x = std::get_if<schema::pong>(&m))
    return &x->nonce;
  if (auto* x = std::get_if<schema::ask_status>(&m))
    return &x->nonce;
  if (auto* x = std::get_if<schema::node_status>(&m))
    return &x->nonce;
  if (auto* x = std::get_if<schema::control>(&m))
    return &x->id;
  if (auto* x = std::get_if<schema::controlled>(&m))
    return &x->id;
  return nullptr;
}

} // namespace larql::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::admin_message_ptr)
