// A service over part of a tiny model, and calls whose parts a test may change.

#pragma once

#include "actors/node/expert_service.hpp"
#include "schema/codec.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace larql::test {

inline kernels::compute compute_with(compute_pool& pool) {
  return {**kernels::kernels_by_name(""), pool};
}

inline schema::message decoded(const std::vector<char>& frame) {
  // Kept alive for the spans of the message.
  static thread_local std::vector<char> body;
  body.assign(frame.begin() + schema::frame_header_bytes, frame.end());
  auto m = schema::decode(body);
  EXPECT_TRUE(m) << m.error().text;
  return *std::move(m);
}

/// A service over part of a model, and calls for it.
class served {
public:
  served(const tiny_vindex& model, const experts::ownership& owned)
      : bank_(experts::expert_bank::open(model.path(), model.config(), owned)),
        service_(compute_with(pool_), *bank_,
                 actors::describe(model.config(), *bank_, {}, "alpha", 99)) {}

  [[nodiscard]] const schema::node_description& self() const { return service_.self(); }

  /// Of a call that came so long ago.
  actors::expert_service::answer run(const schema::expert_call& call,
                                     std::chrono::milliseconds ago = std::chrono::milliseconds{0}) {
    return service_.run(call, std::chrono::steady_clock::now() - ago);
  }
  /// "code: text" of a refusal, or "result".
  std::string refusal_of(const schema::expert_call& call) {
    const auto a = run(call);
    const auto m = decoded(a.frame);
    const auto* failed = std::get_if<schema::call_failed>(&m);
    EXPECT_EQ(a.ok, failed == nullptr);
    if (failed == nullptr)
      return "result";
    EXPECT_EQ(failed->id, call.id);
    EXPECT_EQ(failed->incarnation, 99u);
    constexpr const char* codes[] = {"internal", "not owner", "bad call", "overloaded", "draining"};
    return fmt::format("{}: {}", codes[static_cast<int>(failed->code)], failed->text);
  }

private:
  compute_pool pool_{2};
  result<experts::expert_bank> bank_;
  actors::expert_service service_;
};

/// A call whose parts a test may change.
struct changeable_call {
  schema::expert_call call;
  std::vector<std::byte> activations, scales;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint16_t> experts;
  std::vector<float> weights;

  const schema::expert_call& finish() {
    call.activations = activations;
    call.scales = scales;
    call.pick_rows = std::as_bytes(std::span{rows});
    call.pick_experts = std::as_bytes(std::span{experts});
    call.pick_weights = std::as_bytes(std::span{weights});
    return call;
  }
};

} // namespace larql::test
