// Messages of a session that a node holds for a laptop, as plain structs: what schema/wire.capnp
// calls Session, and the limits that every reader applies. Part of messages.hpp.
//
// Owner     Values: they own what they hold, because a session keeps them beyond their frame.
// Source    docs/sessions.md.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace larql::schema {

/// Of what a session computes: raised when the same ids, options and files give other ids.
inline constexpr std::uint32_t session_version = 1;

/// Longest payload of a session's message, and what a message may hold.
inline constexpr std::uint32_t max_session_bytes = 8 << 20;
inline constexpr std::size_t max_session_tokens = 1 << 20;
inline constexpr std::size_t max_session_answers = 64;
inline constexpr std::size_t max_session_stops = 256;
inline constexpr std::size_t max_session_tools = 256;
inline constexpr std::size_t max_session_text_bytes = 1 << 20;

using session_key = std::array<std::byte, 16>;
using session_digest = std::array<std::byte, 32>;

/// Whether keys and values are rounded.
enum class session_kv : std::uint8_t { f16, f32 };

/// What both sides must have in common to compute the same ids.
struct session_open {
  std::uint32_t version = session_version;
  session_digest dense{};     ///< attention, dense branch, norms and routers
  session_digest head{};      ///< embeddings and output head
  session_digest tokenizer{}; ///< with the generation config
  session_digest chat_template{};
  session_kv kv = session_kv::f16;

  friend bool operator==(const session_open&, const session_open&) = default;
};

struct session_resume {
  std::uint64_t received = 0; ///< events up to this number have come
};

struct session_opened {
  std::uint64_t received = 0; ///< orders up to this number have come
  std::uint32_t context = 0;
  std::uint32_t sequences = 0;
  std::uint64_t kv_bytes = 0;
  std::uint32_t kept_ms = 0;
};

/// Why a session is over, or was never opened. On the wire: never change.
enum class session_end : std::uint8_t {
  done,
  differs,
  not_allowed,
  full,
  unknown,
  leaving,
  broken,
  idle,
  failed
};

struct session_closed {
  session_end code = session_end::done;
  std::string text;
};

/// What the tokens of an answer become.
enum class session_reader : std::uint8_t { none, text, all_text, output };

struct session_tool {
  std::string name;
  std::string description;
  std::string parameters;
  bool strict = false;
};

/// grammar::output_rules.
struct session_rules {
  std::uint8_t form = 0;
  std::string schema;
  std::vector<session_tool> tools;
  std::uint8_t choice = 0;
  std::string only_tool;
  bool parallel_calls = true;
  bool thinking = false;
  bool in_thought = false;
  std::optional<std::uint64_t> thought_budget;
};

/// How one answer is to be generated, and what was given of it elsewhere.
struct session_answer {
  float temperature = 0;
  std::uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  std::uint64_t seed = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::vector<std::uint32_t> bias_tokens;
  std::vector<float> bias_values; ///< as many
  std::uint64_t max_tokens = 0;
  std::uint64_t first_index = 0;
  std::vector<std::uint32_t> stop_tokens;
  std::vector<std::string> stop_texts;
  std::optional<std::uint32_t> logprobs;
  session_reader reader = session_reader::none;
  bool in_thought = false;
  std::optional<session_rules> rules;
  std::vector<std::uint32_t> given;
};

struct session_ask {
  std::uint64_t id = 0;
  std::vector<std::uint32_t> tokens; ///< of the prompt, and of `given` behind it
  std::string client;
  std::uint32_t system_end = 0;
  std::vector<std::uint32_t> turn_ends;
  std::vector<session_answer> answers; ///< none: the prompt is only read
};

struct session_cancel {
  std::uint64_t request = 0;
};

struct session_order {
  std::uint64_t number = 0;
  std::variant<session_ask, session_cancel> what;
};

struct session_admitted {};

/// actors::refusal.
struct session_refusal {
  std::uint8_t kind = 0;
  std::string text;
  std::uint64_t found = 0;
  std::uint64_t limit = 0;
  std::uint32_t retry_seconds = 0;
};

struct session_progress {
  std::uint32_t tokens = 0;
  std::uint32_t cached = 0;
  std::uint32_t total = 0;
};

struct session_logprobs {
  std::uint32_t token = 0;
  float logprob = 0;
  std::vector<std::pair<std::uint32_t, float>> top;
};

struct session_step {
  std::uint32_t choice = 0;
  std::vector<std::uint32_t> tokens;
  std::string text;
  std::vector<session_logprobs> logprobs; ///< none, or one for each token
};

struct session_finish {
  std::uint32_t choice = 0;
  std::uint8_t reason = 0; ///< generate::end_reason
  bool failed = false;
  std::uint8_t code = 0; ///< errc, if it failed
  std::string text;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_tokens = 0;
  std::uint64_t queued_ns = 0;
  std::uint64_t prefill_ns = 0;
  std::uint32_t read_tokens = 0;
};

struct session_event {
  std::uint64_t number = 0;
  std::uint64_t request = 0;
  std::uint64_t received = 0; ///< orders up to this number have come
  std::variant<session_admitted, session_refusal, session_progress, session_step, session_finish>
      what;
};

struct session_acknowledge {
  std::uint64_t event = 0;
};

struct session_message {
  std::optional<session_key> id; ///< none: in open, and in a closed that answers it
  std::variant<session_open, session_resume, session_opened, session_closed, session_order,
               session_event, session_acknowledge>
      what;
};

} // namespace larql::schema
