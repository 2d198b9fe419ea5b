#include "actors/policy/way_choice.hpp"

#include <algorithm>
#include <bit>

namespace larql::actors {

namespace {

// Weight of a new measurement once there are enough.
constexpr auto newest = 1.0f / 8;

} // namespace

way way_choice::choose(std::span<const way_offer> offers) {
  const auto size =
      std::min<std::size_t>(std::bit_width(offers.front().bytes), classes_.size() - 1);
  auto& c = classes_[size];
  const auto place = [&](std::uint64_t id) { return way{id, static_cast<std::uint32_t>(size)}; };
  if (offers.size() == 1)
    return place(offers.front().id);
  const auto known = [&](const way_offer& o) -> const times& { return c.ways[o.id]; };
  // Ways that were not measured enough, those with the fewest bytes first.
  const auto unknown = [&](const way_offer& o) { return known(o).count < enough; };
  const auto* next = static_cast<const way_offer*>(nullptr);
  for (const auto& o : offers)
    if (unknown(o) && (next == nullptr || o.bytes < next->bytes))
      next = &o;
  if (next != nullptr)
    return place(next->id);
  const auto* best =
      &*std::min_element(offers.begin(), offers.end(), [&](const way_offer& a, const way_offer& b) {
        return known(a).mean_us < known(b).mean_us;
      });
  if (++c.chosen % explored_one_in != 0)
    return place(best->id);
  // The others in turn.
  const auto others = offers.size() - 1;
  const auto step = 1 + (c.chosen / explored_one_in - 1) % others;
  const auto at = (static_cast<std::size_t>(best - offers.data()) + step) % offers.size();
  return place(offers[at].id);
}

void way_choice::taken(const way& w, std::chrono::nanoseconds time) {
  auto& t = classes_[w.size].ways[w.id];
  const auto us = std::chrono::duration<float, std::micro>(time).count();
  ++t.count;
  t.mean_us += (us - t.mean_us) * std::max(newest, 1.0f / static_cast<float>(t.count));
}

float way_choice::expected_us(const way& w) const {
  const auto& ways = classes_[w.size].ways;
  const auto it = ways.find(w.id);
  return it == ways.end() ? 0 : it->second.mean_us;
}

void way_choice::forget(std::uint64_t id) {
  for (auto& c : classes_)
    c.ways.erase(id);
}

} // namespace larql::actors
