#include "actors/laptop/answer_checker.hpp"

#include "runtime/base/log.hpp"
#include "runtime/experts/known_answers.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "schema/sums.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

namespace {

using experts::known_answer_rows;

// Of a node whose experts are in memory: the kernel may have taken back a page here and there.
bool is_resident(const schema::node_status& s) {
  return s.owned_bytes != 0 && s.resident_bytes >= s.owned_bytes / 100 * 98;
}

result<std::vector<std::int64_t>> unpack(const schema::expert_result& r, std::uint32_t hidden) {
  if (r.rows != known_answer_rows)
    return fail(errc::corrupt, "the result has {} rows, expected {}", r.rows, known_answer_rows);
  LARQL_TRY_VOID(schema::check_sums(r.widths, r.sums, r.rows, hidden));
  auto out = std::vector<std::int64_t>(std::size_t{known_answer_rows} * hidden, 0);
  auto bytes = r.sums;
  for (auto i = std::size_t{0}; i < known_answer_rows; ++i) {
    const auto width = static_cast<std::uint8_t>(r.widths[i]);
    const auto n = std::size_t{width} * hidden;
    schema::add_packed(bytes.first(n), width, std::span{out}.subspan(i * hidden, hidden));
    bytes = bytes.subspan(n);
  }
  return out;
}

} // namespace

answer_checker_state::answer_checker_state(pointer self, answer_checker_options options)
    : self_(self),
      options_(std::move(options)),
      inputs_(experts::known_answer_inputs(options_.hidden)) {}

answer_checker_state::handle::behavior_type answer_checker_state::make_behavior() {
  self_->delayed_send(self_, options_.interval, tick_atom::value);
  return {
      [this](view_atom, const cluster_view_ptr& view) { on_view(view); },
      [this](check_atom, const dispute_ptr& d) { return on_dispute(d); },
      [this](tick_atom) { on_tick(); },
  };
}

const cluster_member* answer_checker_state::find(std::uint64_t incarnation) const {
  const auto it =
      std::find_if(view_->members.begin(), view_->members.end(), [&](const cluster_member& m) {
        return m.description->incarnation == incarnation;
      });
  return it == view_->members.end() ? nullptr : &*it;
}

// ---- samples ------------------------------------------------------------------------------------

void answer_checker_state::on_view(const cluster_view_ptr& view) {
  view_ = view;
  std::erase_if(subjects_, [&](const auto& s) { return find(s.first) == nullptr; });
  std::erase_if(reported_, [&](std::uint64_t id) { return find(id) == nullptr; });
  for (const auto& m : view_->members)
    if (m.is_usable() && !subjects_.contains(m.description->incarnation)) {
      subjects_[m.description->incarnation].left = options_.first_samples;
      begin(m);
    }
}

void answer_checker_state::on_tick() {
  self_->delayed_send(self_, options_.interval, tick_atom::value);
  for (auto& [incarnation, s] : subjects_)
    if (const auto* m = find(incarnation); m != nullptr && m->is_usable() && !s.busy) {
      s.left = std::max(s.left, 1u);
      begin(*m);
    }
}

// Samples a node if its experts are in memory.
void answer_checker_state::begin(const cluster_member& m) {
  const auto id = m.description->incarnation;
  subjects_[id].busy = true;
  const auto stop = [this, id] {
    if (const auto it = subjects_.find(id); it != subjects_.end())
      it->second.busy = false;
  };
  self_
      ->request(caf::actor_cast<node_link_actor>(m.shard), options_.timeout, admin_atom::value,
                admin_message_ptr{std::make_shared<schema::message>(schema::ask_status{})})
      .then(
          [this, id, stop](const admin_message_ptr& answer) {
            const auto* status = std::get_if<schema::node_status>(answer.get());
            const auto* now = find(id);
            if (status == nullptr || now == nullptr || !is_resident(*status))
              return stop();
            sample(*now);
          },
          [stop](const caf::error&) { stop(); });
}

// One after the other, so that a node is never kept from its work.
void answer_checker_state::sample(const cluster_member& m) {
  const auto& owned = m.description->owned;
  const auto pick = [&](experts::index_range r) {
    return r.first +
           std::min(static_cast<std::uint32_t>(options_.uniform() * r.count()), r.count() - 1);
  };
  const auto layer = pick(owned.layers);
  const auto id = m.description->incarnation;
  ask(m, {layer, pick(owned.experts)}, [this, id](finding found) {
    const auto it = subjects_.find(id);
    const auto* now = find(id);
    if (it == subjects_.end() || now == nullptr)
      return;
    auto& s = it->second;
    s.busy = false;
    if (found == finding::wrong || found == finding::none || !now->is_usable())
      return;
    s.left -= s.left != 0;
    if (s.left == 0)
      return;
    s.busy = true;
    sample(*now);
  });
}

layer_job& answer_checker_state::question(std::uint32_t layer, quant::activation_format format) {
  // Rounding has the same bits in every instruction set.
  const auto& k = **kernels::kernels_by_name("scalar");
  const auto hidden = options_.hidden;
  question_.layer = layer;
  question_.hidden = hidden;
  question_.row_count = known_answer_rows;
  question_.rows.reset(format, known_answer_rows, hidden);
  for (auto r = 0u; r < known_answer_rows; ++r)
    question_.rows.set_row(k, r, std::span{inputs_}.subspan(std::size_t{r} * hidden, hidden));
  return question_;
}

void answer_checker_state::ask(const cluster_member& m, place where, const answered& then) {
  const auto& node = *m.description;
  auto& job = question(where.first, node.formats[where.first - node.owned.layers.first]);
  auto rows = std::vector<std::uint32_t>(known_answer_rows);
  std::iota(rows.begin(), rows.end(), 0u);
  auto assignments = std::vector<experts::assignment>{};
  for (const auto r : rows)
    assignments.push_back({r, where.second, 1});
  auto frame = std::make_shared<std::vector<char>>();
  const auto id = next_id_++;
  builder_.build({id, options_.timeout, true, {}}, job, assignments, rows, *frame);
  const auto sent = self_->clock().now();
  self_
      ->request(caf::actor_cast<node_link_actor>(m.shard), options_.timeout, run_atom::value,
                outgoing_call{id, std::move(frame)})
      .then(
          [this, m, where, then, sent](const received_result& answer) {
            auto why = std::string{};
            const auto found = judge(m, where, answer, why);
            if (found == finding::right)
              options_.makers->found_right(m.description->incarnation, sent);
            else if (found == finding::wrong)
              condemn(m, why);
            then(found);
          },
          [then](const caf::error&) { then(finding::none); });
}

// ---- what an answer says ------------------------------------------------------------------------

answer_checker_state::finding answer_checker_state::judge(const cluster_member& m, place where,
                                                          const received_result& answer,
                                                          std::string& why) {
  const auto at = fmt::format("layer {}, expert {}", where.first, where.second);
  const auto sums = unpack(answer.message, options_.hidden);
  if (!sums) {
    why = fmt::format("{}: {}", at, sums.error().text);
    return finding::wrong;
  }
  const auto found = experts::digest_of_answer(*sums);
  // A node that does not say which weights it has may hold other encodings of the same model.
  if (options_.known && m.description->model.weights_digest)
    if (const auto it = options_.known->find(where.first);
        it != options_.known->end() && where.second < it->second.experts.size() &&
        it->second.experts[where.second]) {
      const auto& expected = *it->second.experts[where.second];
      why = fmt::format("{}: its known answer is {}, expected {}", at, to_hex(found),
                        to_hex(expected));
      return found == expected ? finding::right : finding::wrong;
    }
  return compare_with_first(m, where, found, why);
}

answer_checker_state::finding
answer_checker_state::compare_with_first(const cluster_member& m, place where,
                                         const vindex::answer_digest& found, std::string& why) {
  const auto& node = *m.description;
  const auto [it, is_new] =
      first_.try_emplace(where, first_answer{found, node.node, node.incarnation});
  auto& first = it->second;
  if (is_new)
    return finding::unknown;
  if (options_.makers->is_condemned(first.incarnation)) {
    first = {found, node.node, node.incarnation};
    return finding::unknown;
  }
  if (first.digest == found)
    return finding::right;
  why = fmt::format("layer {}, expert {}: the answer is {}, the first one seen was {}, of node {}",
                    where.first, where.second, to_hex(found), to_hex(first.digest), first.node);
  if (first.incarnation == node.incarnation) // it contradicts itself
    return finding::wrong;
  if (reported_.insert(node.incarnation).second) // once: most of its answers may differ
    log_warning(
        "checker",
        "node {} ({}): {}; there is no table of known answers, so nothing tells which is right",
        node.node, m.address, why);
  return finding::unknown;
}

void answer_checker_state::condemn(const cluster_member& m, const std::string& why) {
  if (options_.makers->condemn(m.description->incarnation, why))
    options_.condemn(m, why);
}

// ---- disputes -----------------------------------------------------------------------------------

caf::result<verdict_ptr> answer_checker_state::on_dispute(const dispute_ptr& d) {
  auto h = std::make_shared<hearing>();
  h->promise = self_->make_response_promise<verdict_ptr>();
  h->open = 1; // this function
  const auto close_one = [h] {
    if (--h->open == 0)
      h->promise.deliver(verdict_ptr{std::make_shared<verdict_on_dispute>(h->found)});
  };
  for (const auto id : d->incarnations)
    if (const auto* m = find(id))
      for (const auto expert : d->experts) {
        if (!m->description->owned.contains(d->layer, expert))
          continue;
        ++h->open;
        ask(*m, {d->layer, expert}, [h, id, close_one](finding found) {
          if (found == finding::wrong)
            h->found.wrong.push_back(id);
          close_one();
        });
      }
  auto promise = h->promise;
  close_one();
  return promise;
}

} // namespace larql::actors
