// Messages between actors in memory that is used again. CAF takes a block from the heap for every
// message; those that are sent for every layer come from a pool of their sender instead. The
// receiver cannot tell.
//
// Owner     The sender. Messages may outlive the pool.
// Threads   Any thread may make messages, any other drops them.
// Types     As CAF keeps them: caf::atom_value for an atom.
// Source    caf::memory_managed, which lets a message say how its memory is given back.

#pragma once

#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

namespace larql::actors {

template <class... Ts>
class message_pool {
public:
  /// A message for `to->enqueue()`.
  template <class... Us>
  [[nodiscard]] caf::mailbox_element_ptr make(caf::strong_actor_ptr sender, caf::message_id id,
                                              Us&&... values) {
    return caf::mailbox_element_ptr{new (blocks_->take()) element{blocks_, std::move(sender), id,
                                                                  Ts(std::forward<Us>(values))...}};
  }

private:
  class block_store;
  using block_store_ptr = std::shared_ptr<block_store>;

  // As caf::mailbox_element_vals, but for where its memory goes.
  class element final : public caf::mailbox_element,
                        public caf::detail::tuple_vals_impl<caf::type_erased_tuple, Ts...> {
    using values = caf::detail::tuple_vals_impl<caf::type_erased_tuple, Ts...>;

  public:
    element(block_store_ptr home, caf::strong_actor_ptr from, caf::message_id id, Ts... xs)
        : caf::mailbox_element(std::move(from), id, {}),
          values(std::move(xs)...),
          home_(std::move(home)) {}

    caf::type_erased_tuple& content() override { return *this; }
    const caf::type_erased_tuple& content() const override { return *this; }
    caf::message move_content_to_message() override {
      return std::apply([](auto&... xs) { return caf::make_message(std::move(xs)...); },
                        this->data());
    }
    caf::message copy_content_to_message() const override {
      return std::apply([](const auto&... xs) { return caf::make_message(xs...); }, this->data());
    }
    void request_deletion(bool) const noexcept override {
      auto* self = const_cast<element*>(this);
      const auto home = std::move(self->home_);
      self->~element();
      home->put(self);
    }

  private:
    block_store_ptr home_;
  };

  class block_store {
  public:
    block_store() = default;
    block_store(const block_store&) = delete;
    ~block_store() {
      for (auto* block : free_)
        ::operator delete(block, alignment);
    }
    void* take() {
      const auto lock = std::scoped_lock{mutex_};
      if (free_.empty()) {
        free_.reserve(++made_); // so that put() never allocates
        return ::operator new(sizeof(element), alignment);
      }
      auto* block = free_.back();
      free_.pop_back();
      return block;
    }
    void put(void* block) noexcept {
      const auto lock = std::scoped_lock{mutex_};
      free_.push_back(block);
    }

  private:
    static constexpr auto alignment = std::align_val_t{alignof(element)};

    std::mutex mutex_;
    std::vector<void*> free_;
    std::size_t made_ = 0;
  };

  block_store_ptr blocks_ = std::make_shared<block_store>();
};

/// Keeps a promise of `self` as deliver() does, with a message of the pool.
template <class Self, class T>
void deliver(Self* self, message_pool<T>& pool, caf::response_promise& promise, T value) {
  if (promise.stages().empty() && promise.source())
    promise.source()->enqueue(pool.make(self->ctrl(), promise.id().response_id(), std::move(value)),
                              self->context());
  else
    promise.deliver(std::move(value)); // through other actors, or the sender has ended
}

} // namespace larql::actors
