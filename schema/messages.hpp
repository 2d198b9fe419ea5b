// The messages of schema/wire.capnp as plain structs, and the limits that every reader applies.
//
// Owner     Spans of a decoded message point into the frame it was decoded from.

#pragma once

#include "runtime/experts/ownership.hpp"
#include "runtime/quant/activation_function.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/quant/sum_format.hpp"
#include "schema/session_messages.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace larql::schema {

/// Raised by a change that old peers would misunderstand.
inline constexpr std::uint32_t protocol_version = 1;

/// A frame: this magic ("LQF1"), the payload's length, the payload. On the wire: never change.
inline constexpr std::uint32_t frame_magic = 0x3146514c;
inline constexpr std::size_t frame_header_bytes = 8;

/// Longest payload before the handshake, and ever. A longer frame closes the connection.
inline constexpr std::uint32_t max_hello_bytes = 4096;
inline constexpr std::uint32_t max_frame_bytes = 64 << 20;

/// What a laptop asks nodes to send at once of an answer, so that others can overtake it: 5 ms at
/// 100 Mbit/s.
inline constexpr std::uint32_t answer_piece_bytes = 64 * 1024;

/// Most rows in one call.
inline constexpr std::uint32_t max_call_rows = 4096;
inline constexpr std::size_t max_name_bytes = 64;
inline constexpr std::size_t max_text_bytes = 1024;

/// Calls of one connection that may wait at a node.
inline constexpr std::uint32_t call_window = 64;
/// Most owners that a relay names, and that a result does.
inline constexpr std::size_t max_reached = 256;

/// Most nodes of a laptop that are listed, and what the list may take.
inline constexpr std::size_t max_listed_nodes = 256;
inline constexpr std::uint32_t max_list_bytes = 1 << 20;

using fingerprint = std::array<std::byte, 32>;

/// Which model a peer holds: what both sides compare before anything else.
struct model_identity {
  std::string name;      ///< for messages; not compared
  fingerprint weights{}; ///< of the model's numbers, norms and routers
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t experts = 0;
  std::uint32_t expert_width = 0;
  /// Of the weights of all experts; none: unknown to that peer, and not compared.
  std::optional<fingerprint> weights_digest;
  quant::activation_function activation = quant::activation_function::gelu;

  friend bool operator==(const model_identity&, const model_identity&) = default;
};

struct hello {
  std::uint32_t protocol = protocol_version;
  std::string name;
  std::optional<model_identity> model; ///< none: status and control only
};

enum class node_state : std::uint8_t { serving, loading, draining, degraded };

/// "serving"
[[nodiscard]] constexpr const char* name_of(node_state s) noexcept {
  constexpr const char* names[] = {"serving", "loading", "draining", "degraded"};
  return static_cast<std::size_t>(s) < std::size(names) ? names[static_cast<std::size_t>(s)]
                                                        : "unknown";
}

/// What a node answers for beside what it owns, by asking others.
struct reach {
  struct part {
    std::uint64_t incarnation = 0; ///< of the owner
    experts::ownership owned;

    friend bool operator==(const part&, const part&) = default;
  };
  /// Calls that need others and may wait at the same time, of the connection that is told.
  std::uint32_t credits = 0;
  std::vector<part> parts;

  friend bool operator==(const reach&, const reach&) = default;
};

/// What a node is and owns.
struct node_description {
  std::uint32_t protocol = protocol_version;
  std::string node;
  std::uint64_t incarnation = 0;
  model_identity model;
  experts::ownership owned;
  std::vector<quant::activation_format> formats; ///< per owned layer
  std::uint32_t max_rows = max_call_rows;
  node_state state = node_state::serving;
  /// Of the weights of the experts that the node owns; none: not known there yet.
  std::optional<fingerprint> owned_digest = {};
  std::uint32_t sessions = 0; ///< of laptops, that the node holds at the same time
  schema::reach reached = {}; ///< for choosing a way, and nothing else
  /// Not on the wire: what the node owns, if a laptop uses less of it and `owned` says so.
  std::optional<experts::ownership> narrowed_from = {};

  friend bool operator==(const node_description&, const node_description&) = default;
};

struct refused {
  std::string reason;
};

/// One layer's rows for one node.
struct expert_call {
  std::uint64_t id = 0;
  std::uint32_t layer = 0;
  std::uint32_t rows = 0;
  quant::activation_format format = quant::activation_format::f32;
  std::span<const std::byte> activations;
  std::span<const std::byte> scales;
  std::span<const std::byte> pick_rows;    ///< u32 each
  std::span<const std::byte> pick_experts; ///< u16 each
  std::span<const std::byte> pick_weights; ///< f32 each
  std::uint32_t piece_bytes = 0;           ///< the answer may come in such pieces; 0: whole
  bool direct = false;                     ///< from own pages only
  std::uint32_t remaining_us = 0;          ///< how long the sender waits; 0: it does not say
  std::span<const std::byte> whole_rows;   ///< u8 per row: 1 if it has no picks elsewhere; or empty
  quant::sum_format sums = quant::sum_format::exact; ///< what the answer may be rounded to
};

struct expert_result {
  std::uint64_t id = 0;
  std::uint64_t incarnation = 0;
  std::uint32_t rows = 0;
  std::span<const std::byte> widths;
  std::span<const std::byte> sums;
  std::uint64_t compute_ns = 0;
  std::uint64_t queue_ns = 0;
  std::span<const std::byte> makers; ///< u64 each: incarnations of others that had a part
  std::uint64_t forward_ns = 0;      ///< until the last of them had answered
  // Of a piece.
  std::uint32_t first_row = 0;
  std::uint32_t call_rows = 0; ///< of the whole answer; 0: this is the whole

  [[nodiscard]] bool is_piece() const noexcept { return call_rows != 0; }
};

/// Why a call, or a request of an operator, was not answered: who has to act.
enum class failure_code : std::uint8_t {
  internal,    ///< The node cannot compute: damaged weights, a bug. Another replica may.
  not_owner,   ///< The sender's map is stale: refresh it, then route again.
  bad_call,    ///< The call is wrong; retrying cannot help.
  overloaded,  ///< Retry on a replica now, or here after a back-off.
  draining,    ///< The node is about to leave: retry on a replica.
  restarting,  ///< The node's shard failed and starts anew: as overloaded.
  unavailable, ///< A relay has no answer of an owner in time: ask the owners.
  /// Not on the wire: the connection is gone, and the call with it. Retry elsewhere.
  link_lost,
};

/// "not owner"
[[nodiscard]] constexpr const char* name_of(failure_code c) noexcept {
  constexpr const char* names[] = {"internal", "not owner",  "bad call",    "overloaded",
                                   "draining", "restarting", "unavailable", "link lost"};
  return static_cast<std::size_t>(c) < std::size(names) ? names[static_cast<std::size_t>(c)]
                                                        : "unknown";
}

struct call_failed {
  std::uint64_t id = 0;
  std::uint64_t incarnation = 0;
  failure_code code = failure_code::internal;
  std::string text;
  experts::index_range missing = {0, 0}; ///< experts, with failure_code::unavailable
};

struct ping {
  std::uint64_t nonce = 0;
  std::uint64_t node = 0; ///< incarnation of the node that a laptop is to ask
};

struct pong {
  std::uint64_t nonce = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t served = 0;
  std::uint32_t waiting = 0;
  node_state state = node_state::serving;
  std::optional<fingerprint> owned_digest = {}; ///< as in node_description
  schema::reach reached = {};                   ///< the same
};

struct ask_status {
  std::uint64_t nonce = 0;
  std::uint64_t node = 0; ///< as in ping
};

/// Whether a node's experts answered as they should when it warmed up.
enum class answers_state : std::uint8_t {
  unchecked, ///< no warm-up, or an older version
  known,     ///< as the table of its vindex says
  own        ///< its vindex has no table
};

/// Numbers for people and monitoring.
struct node_status {
  std::uint64_t nonce = 0;
  std::uint64_t incarnation = 0;
  node_state state = node_state::serving;
  std::uint64_t uptime_ms = 0;
  std::uint64_t served = 0;
  std::uint64_t failed = 0;
  std::uint32_t waiting = 0;
  std::uint32_t connections = 0;
  std::uint32_t restarts = 0;
  std::uint64_t owned_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t rss_bytes = 0;
  std::uint32_t load_percent = 0;
  answers_state answers = answers_state::unchecked;
  std::optional<fingerprint> own_answers =
      {}; ///< of all owned experts; only with answers_state::own
  std::optional<fingerprint> owned_digest = {}; ///< as in node_description
  std::uint64_t rows = 0;                       ///< computed here
  std::uint64_t compute_ns = 0;                 ///< for them
  std::uint32_t reached_nodes = 0;
  std::uint64_t forwarded_calls = 0; ///< to those
  std::uint64_t forwarded_rows = 0;
  std::uint64_t forward_ns = 0;

  friend bool operator==(const node_status&, const node_status&) = default;
};

enum class control_action : std::uint8_t { drain, restart_shard, restart_node };

struct control {
  std::uint64_t id = 0;
  control_action action = control_action::drain;
  std::uint64_t node = 0; ///< as in ping
};

struct controlled {
  std::uint64_t id = 0;
  bool ok = false;
  std::string text;
};

/// A node's first message on a connection that it dialled itself.
struct announce {
  node_description node; ///< with owned.experts ignored and no formats if it offers memory
  bool owns = true;      ///< false: offers memory, owns nothing yet
  std::uint64_t available_bytes = 0;
  std::uint64_t bytes_per_expert = 0;
};

enum class verdict : std::uint8_t { serve, load, standby };

struct accepted {
  schema::verdict verdict = schema::verdict::serve;
  experts::index_range experts; ///< to load
  std::uint32_t retry_ms = 0;
};

/// The nodes that have announced themselves to a laptop.
struct node_list {
  struct entry {
    node_description node;
    std::string address; ///< where its connection comes from
  };
  std::vector<entry> nodes;
};

using message = std::variant<hello, node_description, refused, expert_call, expert_result,
                             call_failed, ping, pong, ask_status, node_status, control, controlled,
                             announce, accepted, node_list, session_message>;

} // namespace larql::schema
