// Fuzz target: what a peer sends. The bytes go through the frame reader in pieces as they would
// arrive; whole messages are decoded, and calls are run by a service with a tiny model.

#include "actors/net/frame_reader.hpp"
#include "actors/node/expert_service.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"
#include "tests/support/tiny_model.hpp"

namespace larql::actors {
namespace {

/// A node without a network.
class tiny_node {
public:
  tiny_node()
      : bank_(*experts::expert_bank::open(model_.path(), model_.config(), {{0, 2}, {2, 5}})),
        service_({**kernels::kernels_by_name(""), pool_}, bank_,
                 describe(model_.config(), bank_, {}, "fuzz", 1)) {}

  void call(std::span<const char> body) {
    const auto answer = service_.run(body, {});
    LARQL_CHECK(answer.frame.size() > schema::frame_header_bytes);
    const auto payload =
        std::vector<char>(answer.frame.begin() + schema::frame_header_bytes, answer.frame.end());
    LARQL_CHECK(static_cast<bool>(schema::decode(payload)));
  }

private:
  test::tiny_vindex model_{test::mixed_options()};
  compute_pool pool_{1};
  experts::expert_bank bank_;
  expert_service service_;
};

void check_message(const std::vector<char>& body) {
  const auto m = schema::decode(body);
  if (!m)
    return;
  auto frame = std::vector<char>{};
  schema::encode(*m, frame); // whatever was accepted can be sent on
  if (const auto* r = std::get_if<schema::expert_result>(&*m)) {
    constexpr auto hidden = std::size_t{256};
    if (schema::check_sums(r->widths, r->sums, r->rows, hidden)) {
      auto sums = std::vector<std::int64_t>(hidden);
      auto left = r->sums;
      for (const auto w : r->widths) {
        schema::add_packed(left, static_cast<std::uint8_t>(w), sums);
        left = left.subspan(hidden * static_cast<std::size_t>(w));
      }
    }
  }
  static auto node = tiny_node{};
  if (std::holds_alternative<schema::expert_call>(*m))
    node.call(body);
}

void run(std::span<const char> bytes) {
  auto frames = frame_reader{};
  while (bytes.size() >= frames.wanted()) {
    auto piece = std::vector<char>(bytes.begin(),
                                   bytes.begin() + static_cast<std::ptrdiff_t>(frames.wanted()));
    bytes = bytes.subspan(piece.size());
    const auto frame = frames.take(piece);
    if (!frame)
      return; // the connection would be closed
    if (*frame)
      check_message(**frame);
  }
}

} // namespace
} // namespace larql::actors

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::actors::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
