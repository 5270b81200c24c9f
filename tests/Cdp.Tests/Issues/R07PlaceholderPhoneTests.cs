using Cdp.Identity;

namespace Cdp.Tests.Issues;

public sealed class R07PlaceholderPhoneTests
{
    [Theory]
    [InlineData("0000000000")]
    [InlineData("000-000-0000")]
    [InlineData("(000) 000-0000")]
    [InlineData("+0000000000")]
    public void NothingButZeros_IsNoPhone(string text) =>
        Assert.Null(IdentityRules.Default.Find(IdentityRules.Phone)!.Normalise(text));
}
