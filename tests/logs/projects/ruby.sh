# RSpec, Rake and Ruby itself; without them, the logs stay as they are.

needs ruby rspec rake || return

project ruby
file lib/cart.rb <<'RUBY'
class Cart
  def initialize(prices)
    @prices = prices
  end

  def total(items)
    items.sum { |item| @prices[item][:cents] }
  end
end
RUBY
file spec/cart_spec.rb <<'RUBY'
require_relative '../lib/cart'

RSpec.describe Cart do
  subject(:cart) { Cart.new(tea: { cents: 300 }, milk: { cents: 120 }) }

  it('logs errors') { puts 'Error: this one is expected' }

  it 'adds up' do
    expect(cart.total(%i[tea milk])).to eq(430)
  end

  it 'knows jam' do
    expect(cart.total(%i[jam])).to eq(0)
  end
end
RUBY
file Rakefile <<'RUBY'
require 'rspec/core/rake_task'
RSpec::Core::RakeTask.new(:spec)

task(:prices) { puts File.read('prices.json') }
task(release: :prices)
RUBY
log rspec-fails <<'SH'
rspec --format documentation
SH
log rake-spec <<'SH'
rake spec
SH
log rake-aborted <<'SH'
rake release
SH
log rake-no-task <<'SH'
rake bundle
SH
file spec/till_spec.rb <<'RUBY'
require_relative '../lib/till'

RSpec.describe(Till) { it('pays') { expect(Till.new.pay).to be(true) } }
RUBY
log rspec-load <<'SH'
rspec spec/till_spec.rb
SH
file import.rb <<'RUBY'
require_relative 'lib/cart'

puts 'Imported 1 price, 0 errors'
puts Cart.new({}).total([:tea])
RUBY
log ruby-exception <<'SH'
ruby import.rb
SH
printf 'def total(cart)\n  cart.sum { |item|\nend\n' > broken.rb
log ruby-syntax <<'SH'
ruby broken.rb
SH
log ruby-no-gem <<'SH'
ruby -e "require 'shop_ledger'"
SH

project rspec
file spec/cart_spec.rb <<'RUBY'
RSpec.describe 'cart' do
  it 'has tea' do
    expect(%w[milk jam])
      .to include('tea')
  end

  it('is empty') { expect { [].fetch(1) }.to raise_error(KeyError) }
end
RUBY
log rspec-matcher <<'SH'
rspec
SH
