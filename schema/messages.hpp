// The messages of schema/wire.capnp as plain structs, and the limits that every reader applies.
//
// Owner     Spans of a decoded message point into the frame it was decoded from.

#pragma once

#include "runtime/experts/ownership.hpp"
#include "runtime/quant/encoding.hpp"

#include <array>
#include <cstdint>
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

/// Most rows in one call.
inline constexpr std::uint32_t max_call_rows = 4096;
inline constexpr std::size_t max_name_bytes = 64;
inline constexpr std::size_t max_text_bytes = 1024;

using fingerprint = std::array<std::byte, 32>;

struct hello {
  std::uint32_t protocol = protocol_version;
  std::string name;
};

/// What a node is and owns.
struct node_description {
  std::uint32_t protocol = protocol_version;
  std::string node;
  std::uint64_t incarnation = 0;
  std::string model;
  fingerprint weights{};
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t experts = 0;
  std::uint32_t expert_width = 0;
  experts::ownership owned;
  std::vector<quant::activation_format> formats; ///< per owned layer
  std::uint32_t max_rows = max_call_rows;

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
};

struct expert_result {
  std::uint64_t id = 0;
  std::uint64_t incarnation = 0;
  std::uint32_t rows = 0;
  std::span<const std::byte> widths;
  std::span<const std::byte> sums;
  std::uint64_t compute_ns = 0;
  std::uint64_t queue_ns = 0;
};

enum class failure_code : std::uint8_t { internal, not_owner, bad_call, overloaded, draining };

struct call_failed {
  std::uint64_t id = 0;
  std::uint64_t incarnation = 0;
  failure_code code = failure_code::internal;
  std::string text;
};

struct ping {
  std::uint64_t nonce = 0;
};

struct pong {
  std::uint64_t nonce = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t served = 0;
  std::uint32_t waiting = 0;
  bool draining = false;
};

using message = std::variant<hello, node_description, refused, expert_call, expert_result,
                             call_failed, ping, pong>;

} // namespace larql::schema
