using Cdp.Destinations;
using Microsoft.Extensions.Configuration;

namespace CdpFunctions.Destinations;

/// <summary>Secrets among the app's settings: only those below <c>Cdp:Secrets</c> can be named, so that nobody reads the others through a destination.</summary>
public sealed class DestinationSecrets(IConfiguration configuration, CdpOptions options) : ISecretSettings
{
    private readonly IConfigurationSection section = configuration.GetSection("Cdp:Secrets");

    public byte[]? Key => options.SecretsKey is { } key ? Convert.FromBase64String(key) : null;

    public string? Find(string name) => SecretVault.IsSettingName(name) ? section[name] : null;
}
