using System.Globalization;
using Cdp.Events;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Events;

public sealed class InstantTests
{
    [Fact]
    public void ToString_AnyMoment_IsTheIsoFormWithMilliseconds()
    {
        var moments = Gen.Choose(int.MinValue, int.MaxValue).Select(n => DateTimeOffset.UnixEpoch.AddMilliseconds(n * 7919.0));
        Prop.ForAll(moments.ToArbitrary(), moment =>
            Instant.Of(moment).ToString() == moment.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture))
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void ToString_FirstAndLastMoment_HaveFullWidth()
    {
        Assert.Equal("0001-01-01T00:00:00.000Z", Instant.Of(DateTimeOffset.MinValue).ToString());
        Assert.Equal("9999-12-31T23:59:59.999Z", Instant.Of(DateTimeOffset.MaxValue).ToString());
    }
}
