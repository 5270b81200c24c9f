using System.Text;
using Cdp.Destinations;
using Cdp.Storage;
using Cdp.Tests.Storage;

namespace Cdp.Tests.Destinations;

public sealed class SecretVaultTests
{
    private readonly FakeStore store = new();

    [Fact]
    public async Task Value_ComesBack_AndIsNowhereReadable()
    {
        var vault = Vault(new Settings());
        var sealedSecret = await vault.SealAsync("crm", "token", "very-secret", CancellationToken.None);
        Assert.Null(sealedSecret.Setting);
        Assert.DoesNotContain("very-secret", Encoding.Latin1.GetString(sealedSecret.Sealed!), StringComparison.Ordinal);
        // Another process, which reads the same key.
        Assert.Equal("very-secret", await Vault(new Settings()).OpenAsync("crm", "token", sealedSecret, CancellationToken.None));
        Assert.Single(store.Snapshot(), r => r is { Table: TableName.Config, Partition: "keys", Key: "secrets" });
    }

    [Fact]
    public async Task Value_OfAnotherDestinationNameOrKey_IsNotOpened()
    {
        var vault = Vault(new Settings { Key = new byte[32] });
        var secret = await vault.SealAsync("crm", "token", "x", CancellationToken.None);
        Assert.Equal("x", await vault.OpenAsync("crm", "token", secret, CancellationToken.None));
        await Assert.ThrowsAsync<SecretException>(async () => await vault.OpenAsync("other", "token", secret, CancellationToken.None));
        await Assert.ThrowsAsync<SecretException>(async () => await vault.OpenAsync("crm", "signingKey", secret, CancellationToken.None));
        var key = new byte[32];
        key[0] = 1;
        var thrown = await Assert.ThrowsAsync<SecretException>(async () => await Vault(new Settings { Key = key }).OpenAsync("crm", "token", secret, CancellationToken.None));
        Assert.Contains("another key", thrown.Message, StringComparison.Ordinal);
        Assert.Empty(store.Snapshot());
    }

    [Fact]
    public async Task Reference_IsReadFromTheSettings_AndAMissingOneSaysWhichItIs()
    {
        var vault = Vault(new Settings());
        Assert.Equal("value of HOOK", await vault.OpenAsync("crm", "token", vault.Refer("HOOK"), CancellationToken.None));
        var thrown = await Assert.ThrowsAsync<SecretException>(async () => await vault.OpenAsync("crm", "token", vault.Refer("GONE"), CancellationToken.None));
        Assert.Contains("Cdp__Secrets__GONE", thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HOOK_1-a", true)]
    [InlineData("", false)]
    [InlineData("A:B", false)]
    [InlineData("..", false)]
    [InlineData("A__B", true)]
    [InlineData("A B", false)]
    public void Name_OfASetting_LeadsNowhereElse(string name, bool valid) => Assert.Equal(valid, SecretVault.IsSettingName(name));

    private SecretVault Vault(Settings settings) => new(store, settings, TimeProvider.System);

    private sealed class Settings : ISecretSettings
    {
        public byte[]? Key { get; init; }

        public string? Find(string name) => name == "HOOK" ? "value of HOOK" : null;
    }
}
