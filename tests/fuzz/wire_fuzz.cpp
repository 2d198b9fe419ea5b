// Fuzz target: what a peer sends. The bytes go through the frame reader in pieces as they would
// arrive; whole messages are decoded, and calls are run by a service with a tiny model.

#include "actors/net/frame_reader.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/relay_plan.hpp"
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

  void call(const schema::expert_call& c) {
    const auto answer = service_.run(c, {});
    LARQL_CHECK(answer.frame.size() > schema::frame_header_bytes);
    auto frames = std::span<const char>{answer.frame}; // several if the call takes pieces
    while (!frames.empty()) {
      const auto bytes = schema::frame_bytes(frames);
      const auto payload = std::vector<char>(frames.begin() + schema::frame_header_bytes,
                                             frames.begin() + static_cast<std::ptrdiff_t>(bytes));
      LARQL_CHECK(static_cast<bool>(schema::decode(payload)));
      frames = frames.subspan(bytes);
    }
  }

private:
  test::tiny_vindex model_{test::mixed_options()};
  compute_pool pool_{1};
  experts::expert_bank bank_;
  expert_service service_;
};

// What a laptop that asked for this format does with a relay's answer.
void check_result(const schema::expert_result& r, quant::sum_format format) {
  constexpr auto hidden = std::size_t{256};
  const auto whole = std::vector<std::byte>(r.widths.size(), std::byte{1});
  if (!schema::check_sums(r.widths, r.sums, r.rows, hidden, {whole, format}))
    return;
  auto sums = std::vector<std::int64_t>(hidden);
  auto left = r.sums;
  for (const auto w : r.widths) {
    const auto width = static_cast<std::uint8_t>(w);
    if (width == schema::complete_row)
      (void) schema::read_complete_row(left, sums);
    else
      schema::add_packed(left, width, sums);
    left = left.subspan(schema::row_bytes(width, hidden));
  }
}

// What a relay does with a call before it asks anybody.
void split_call(const schema::expert_call& call) {
  const auto mine = experts::ownership{{0, 2}, {2, 5}};
  const auto others = needs_others(call, mine);
  const auto picks = picks_of(call);
  if (!picks)
    return;
  const auto offers = std::vector<owner_offer>{{mine}, {{{0, 2}, {0, 3}}}, {{{1, 1}, {0, 40}}}};
  const auto split = split_picks(call.layer, *picks, offers);
  LARQL_CHECK(!split.missing.empty() || !split.parts.empty() || !others);
  auto builder = part_builder{};
  auto frame = std::vector<char>{};
  for (const auto& p : split.parts)
    schema::encode(builder.make(call, p.picks, rows_in(p.picks)), frame);
}

void check_message(const std::vector<char>& body) {
  const auto m = schema::decode(body);
  if (!m)
    return;
  auto frame = std::vector<char>{};
  schema::encode(*m, frame); // whatever was accepted can be sent on
  if (const auto* r = std::get_if<schema::expert_result>(&*m))
    for (auto f = std::size_t{0}; f < quant::sum_formats; ++f)
      check_result(*r, static_cast<quant::sum_format>(f));
  static auto node = tiny_node{};
  if (const auto* c = std::get_if<schema::expert_call>(&*m)) {
    split_call(*c);
    node.call(*c);
  }
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
