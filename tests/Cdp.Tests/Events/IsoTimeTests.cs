using System.Text;
using Cdp.Events;
using FsCheck;
using FsCheck.Fluent;

namespace Cdp.Tests.Events;

public sealed class IsoTimeTests
{
    [Theory]
    [InlineData("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z")]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z")]
    [InlineData("2026-01-02T03:04Z", "2026-01-02T03:04:00.000Z")]
    [InlineData("2026-01-02", "2026-01-02T00:00:00.000Z")]
    [InlineData("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z")]
    [InlineData("2026-01-02t03:04:05z", "2026-01-02T03:04:05.000Z")]
    [InlineData("2026-01-02T03:04:05.123456789+02:30", "2026-01-02T00:34:05.123Z")]
    [InlineData("2026-01-02T03:04:05,5-0100", "2026-01-02T04:04:05.500Z")]
    [InlineData("2026-01-02T03:04:05+01", "2026-01-02T02:04:05.000Z")]
    [InlineData("2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000Z")]
    [InlineData("20260102", "2026-01-02T00:00:00.000Z")]
    [InlineData("20260102T0304Z", "2026-01-02T03:04:00.000Z")]
    [InlineData("20260102T030405Z", "2026-01-02T03:04:05.000Z")]
    [InlineData("20260102T030405.678+0100", "2026-01-02T02:04:05.678Z")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z")]
    public void Times_of_ISO_8601_are_read(string text, string expected)
    {
        Assert.True(IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out var time));
        Assert.Equal(expected, time.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026")]
    [InlineData("2026-13-01")]
    [InlineData("2025-02-29")]
    [InlineData("2026-01-02T")]
    [InlineData("2026-01-02T24:00:00Z")]
    [InlineData("2026-01-02T03:60Z")]
    [InlineData("2026-01-02T03:04:61Z")]
    [InlineData("2026-01-02T03:04:05.Z")]
    [InlineData("2026-01-02T03:04:05+24:00")]
    [InlineData("2026-01-02T03:04:05+01:")]
    [InlineData("2026-01-02T03:04:05+01:0")]
    [InlineData("2026-01-02T03:04:05Zx")]
    [InlineData("2026-01-02T03:04:05 Z")]
    [InlineData("202601-02")]
    [InlineData("2026-0102")]
    [InlineData("20260102T03:04:05Z")]
    [InlineData("2026-01-02T030405Z")]
    [InlineData("20260102T0304:05Z")]
    [InlineData("2026-W01-5")]
    [InlineData("2026-002")]
    [InlineData("2026002")]
    [InlineData("1700000000")]
    [InlineData("1701011234")]
    [InlineData("1701010123456")]
    [InlineData("Fri Jan 02 2026")]
    [InlineData("２０２６-01-02")]
    public void Anything_else_is_not(string text) => Assert.False(IsoTime.TryParse(Encoding.UTF8.GetBytes(text), out _));

    [Fact]
    public void What_an_Instant_writes_is_read_as_the_same() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), n =>
        {
            var instant = new Instant(n * 100_003L);
            return IsoTime.TryParse(Encoding.UTF8.GetBytes(instant.ToString()), out var read) && read == instant;
        }).QuickCheckThrowOnFailure();
}
